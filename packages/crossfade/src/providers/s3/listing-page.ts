import { isUtf8 } from 'node:buffer';
import type { ObjectHead } from '../providers.ts';
import { unquote } from './answers.ts';
import { decodeUrl, readXmlText, spellBytes } from './listing-text.ts';

/** How a listing writes its keys: as they are, or URL-encoded. */
export type KeyEncoding = 'none' | 'url';

export interface ListingPage {
  readonly objects: readonly ObjectHead[];
  /** Token of the next page; `null` on the last one. */
  readonly next: string | null;
  /** Keys as written that could be read either way, where the server does not say whether it has encoded them. */
  readonly ambiguous: readonly string[];
}

const [OPEN, CLOSE] = ['<Contents>', '</Contents>'];
const ANOTHER_OPEN = '<Contents';
const [BEGIN, END] = ['<ListBucketResult', '</ListBucketResult>'];
/** A string of a whole page would be a large object to V8, which lets such go late: memory would grow with the pages. */
const PIECE_BYTES = 32 * 1024;

/**
 * One page of ListObjectsV2. Throws for another answer, and for one that cannot be all that it says it is. A page has
 * a thousand objects of four plain fields, so those are cut out by hand: an XML parser takes twenty times as long for
 * them, and they were a fifth of a copy of small objects. Of what else the page holds some plain fields count: to load
 * the parser for them alone takes longer than the page.
 *
 * The listing is asked for in URL encoding. S3's rule is that a server which encodes says so (`EncodingType`), and
 * several never encode (Ceph, versitygw#1985): without a word a key is what is written. `untold` is for a server that
 * is known to break the rule.
 */
export function parseListing(body: Buffer, untold: KeyEncoding = 'none'): ListingPage {
  // Python and old C clients have put Latin-1 into keys. The bytes cannot be told from a string any more.
  const { rows, others, broken } = isUtf8(body) ? cutRows(pieces(body)) : spellRows(body);
  if (!others.includes(BEGIN) || !others.trimEnd().endsWith(END)) throw new Error('the answer is no whole listing');
  if (others.includes(ANOTHER_OPEN)) throw new Error('the listing has an object in a form that is not known');
  const told = field(others, 'EncodingType') ?? '';
  if (told !== '' && told !== 'url') throw new Error(`the listing writes its keys in an unknown encoding, ${told}`);
  const ambiguous: string[] = [];
  const encoding = told === 'url' ? told : untold;
  const objects = rows.map((row, at) => {
    if (told === '') noteAmbiguous(row, ambiguous);
    const object = readRow(row, encoding);
    return broken?.has(at) === true ? { ...object, unreadable: 'it is not UTF-8, and not URL-encoded' } : object;
  });
  return { objects, ambiguous, next: continuation(others, objects.length) };
}

/** Token of the next page. A listing that shows less than there is would pass for the whole bucket. */
function continuation(others: string, count: number): string | null {
  // No delimiter is asked for, so every key has a row of its own.
  const told = field(others, 'KeyCount') ?? '';
  if (/^\d+$/.test(told) && Number(told) > count)
    throw new Error(`the listing says that it has ${told} keys and has ${count}`);
  if (others.includes('<CommonPrefixes>')) throw new Error('the listing has folders in the place of their objects');
  const next = field(others, 'NextContinuationToken');
  const truncated = field(others, 'IsTruncated')?.trim().toLowerCase() ?? (next === null ? 'false' : 'true');
  if (truncated === 'false') return null;
  if (truncated !== 'true') throw new Error(`the listing does not say whether there is more: ${truncated}`);
  if (next === null) throw new Error('the listing has more, and does not say where');
  return next;
}

interface Rows {
  readonly rows: string[];
  /** All that is not in a row. */
  readonly others: string;
  /** Places of rows whose text is not what the server has sent. */
  readonly broken?: ReadonlySet<number>;
}

function cutRows(texts: Iterable<string>): Rows {
  const rows: string[] = [];
  let others = '';
  for (const text of texts) {
    let at = 0;
    for (let open = text.indexOf(OPEN); open >= 0; open = text.indexOf(OPEN, at)) {
      const close = text.indexOf(CLOSE, open);
      if (close < 0) throw new Error('the listing breaks off within an object');
      others += text.slice(at, open);
      rows.push(text.slice(open + OPEN.length, close));
      at = close + CLOSE.length;
    }
    others += text.slice(at);
  }
  return { rows, others };
}

/** The rows of a page that is not UTF-8: those that are to blame are named, the others are as on any other page. */
function spellRows(body: Buffer): Rows {
  const { rows, others } = cutRows([body.toString('latin1')]);
  const broken = new Set<number>();
  const spelled = rows.map((row, at) => {
    const bytes = Buffer.from(row, 'latin1');
    if (!isUtf8(bytes)) broken.add(at);
    return spellBytes(bytes);
  });
  return { rows: spelled, others, broken };
}

/** The text in pieces that each end with an object, but for the last. */
function* pieces(body: Buffer): Generator<string> {
  for (let at = 0; at < body.byteLength;) {
    const close = body.byteLength - at > PIECE_BYTES ? body.indexOf(CLOSE, at + PIECE_BYTES) : -1;
    const end = close < 0 ? body.byteLength : close + CLOSE.length;
    yield body.toString('utf8', at, end);
    at = end;
  }
}

function readRow(row: string, encoding: KeyEncoding): ObjectHead {
  const [written, size, modified] = [rawField(row, 'Key'), field(row, 'Size'), field(row, 'LastModified')];
  if (written === null || size === null || modified === null || !/^\d+$/.test(size))
    throw new Error('an object of the listing lacks its key, size or time');
  const text = readXmlText(written);
  const key = encoding === 'url' ? decodeUrl(text.text) : text;
  const unreadable = text.unreadable ?? key.unreadable;
  const head: ObjectHead = { key: key.text, size: Number(size), etag: readEtag(row), lastModified: modified };
  return unreadable === undefined ? head : { ...head, unreadable };
}

/** A key as written that would be another one, and a possible one, if it were encoded. */
function noteAmbiguous(row: string, ambiguous: string[]): void {
  const written = rawField(row, 'Key');
  if (written?.includes('%') !== true) return;
  const { text } = readXmlText(written);
  if (decodeUrl(text).unreadable === undefined) ambiguous.push(text);
}

/** As nearly every server writes it, in quotes that are entities. */
const USUAL_ETAG = /<ETag>&quot;([0-9a-f-]+)&quot;</;

function readEtag(row: string): string {
  return USUAL_ETAG.exec(row)?.[1] ?? unquote(field(row, 'ETag') ?? '');
}

function field(row: string, name: string): string | null {
  const raw = rawField(row, name);
  return raw === null ? null : readXmlText(raw).text;
}

function rawField(row: string, name: string): string | null {
  const open = row.indexOf(`<${name}>`);
  const close = row.indexOf(`</${name}>`, open);
  return open < 0 || close < 0 ? null : row.slice(open + name.length + 2, close);
}

import type { ObjectHead } from '../providers.ts';
import { unquote } from './answers.ts';

export interface ListingPage {
  readonly objects: readonly ObjectHead[];
  /** Token of the next page; `null` on the last one. */
  readonly next: string | null;
}

const [OPEN, CLOSE] = ['<Contents>', '</Contents>'];
const ANOTHER_OPEN = '<Contents';
const [BEGIN, END] = ['<ListBucketResult', '</ListBucketResult>'];
/** A string of a whole page would be a large object to V8, which lets such go late: memory would grow with the pages. */
const PIECE_BYTES = 32 * 1024;

/**
 * One page of ListObjectsV2. Throws for another answer, and when it says that there is more but not where. A page has
 * a thousand objects of four plain fields, so those are cut out by hand: an XML parser takes twenty times as long for
 * them, and they were a fifth of a copy of small objects. Of what else the page holds three plain fields count: to load
 * the parser for them alone takes longer than the page.
 */
export function parseListing(body: Buffer): ListingPage {
  const rows: string[] = [];
  let others = '';
  for (const text of pieces(body)) {
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
  if (!others.includes(BEGIN) || !others.trimEnd().endsWith(END)) throw new Error('the answer is no whole listing');
  if (others.includes(ANOTHER_OPEN)) throw new Error('the listing has an object in a form that is not known');
  const encodingType = field(others, 'EncodingType');
  const objects = rows.map((row) => readRow(row, encodingType));
  const next = field(others, 'NextContinuationToken');
  if (field(others, 'IsTruncated') !== 'true') return { objects, next: null };
  if (next === null) throw new Error('the listing has more, and does not say where');
  return { objects, next };
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

function readRow(row: string, encodingType: string | null): ObjectHead {
  const [key, size, modified] = [field(row, 'Key'), field(row, 'Size'), field(row, 'LastModified')];
  if (key === null || size === null || modified === null || !/^\d+$/.test(size))
    throw new Error('an object of the listing lacks its key, size or time');
  return {
    key: decodeKey(key, encodingType),
    size: Number(size),
    etag: readEtag(row),
    lastModified: modified,
  };
}

/** As nearly every server writes it, in quotes that are entities. */
const USUAL_ETAG = /<ETag>&quot;([0-9a-f-]+)&quot;</;

function readEtag(row: string): string {
  return USUAL_ETAG.exec(row)?.[1] ?? unquote(field(row, 'ETag') ?? '');
}

function field(row: string, name: string): string | null {
  const open = row.indexOf(`<${name}>`);
  const close = row.indexOf(`</${name}>`, open);
  if (open < 0 || close < 0) return null;
  const text = row.slice(open + name.length + 2, close);
  return text.includes('&') ? unescape(text) : text;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole: string, hex?: string, dec?: string, name = '') => {
      if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
      if (dec !== undefined) return String.fromCodePoint(Number(dec));
      return ENTITIES[name] ?? whole;
    },
  );
}

/**
 * The listing is asked for in URL encoding. A server that says nothing of it may have encoded or not: percent signs
 * tell, since neither Supabase's keys nor encoded ones have any other use for them.
 */
function decodeKey(key: string, encodingType: string | null): string {
  if (encodingType === 'url') return decodeURIComponent(key.replaceAll('+', ' '));
  if (!key.includes('%')) return key;
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

/**
 * Text in the headers of S3: what is read becomes Unicode, what is sent is ASCII. A header travels as bytes, which
 * HTTP libraries show as Latin-1.
 */

/** Bytes that are UTF-8 as such, others as the Latin-1 that they came as (lakeFS#9588, minio#21282). */
export function fromBytes(latin1: string): string {
  // oxlint-disable-next-line no-control-regex -- the range of ASCII
  if (/^[\x00-\x7f]*$/.test(latin1)) return latin1;
  return decodeAs('utf-8', Buffer.from(latin1, 'latin1')) ?? latin1;
}

/** One word, or several whose blanks between them are part of the encoding (RFC 2047, section 2 and 6.2). */
const ENCODED_WORDS = /(?<![^ \t])=\?[^?\s]+\?[bq]\?[^?\s]*\?=(?:[ \t]+=\?[^?\s]+\?[bq]\?[^?\s]*\?=)*(?![^ \t])/gi;
const ENCODED_WORD = /=\?([^?\s]+)\?([bq])\?([^?\s]*)\?=/gi;

/** The value of a header of custom metadata; what is no valid encoded word stays as it is. */
export function decodeValue(header: string): string {
  return fromBytes(header).replaceAll(ENCODED_WORDS, (words) => decodeWords(words) ?? words);
}

function decodeWords(words: string): string | null {
  const runs: { readonly charset: string; bytes: Buffer }[] = [];
  for (const [, label = '', form = '', content = ''] of words.matchAll(ENCODED_WORD)) {
    // A language may follow (RFC 2231, section 5).
    const charset = label.split('*')[0]?.toLowerCase() ?? '';
    const bytes = form.toLowerCase() === 'b' ? fromBase64(content) : fromQ(content);
    if (bytes === null) return null;
    // Not allowed, and done all the same: one character's bytes in two words.
    const last = runs.at(-1);
    if (last?.charset === charset) last.bytes = Buffer.concat([last.bytes, bytes]);
    else runs.push({ charset, bytes });
  }
  const texts = runs.map(({ charset, bytes }) => decodeAs(charset, bytes));
  return texts.includes(null) ? null : texts.join('');
}

function fromBase64(content: string): Buffer | null {
  return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}={0,2}|[A-Za-z0-9+/]{3}=?)?$/.test(content)
    ? Buffer.from(content, 'base64')
    : null;
}

function fromQ(content: string): Buffer | null {
  if (!/^(?:[^=\x80-\uffff]|=[0-9a-f]{2})*$/i.test(content)) return null;
  const latin1 = content
    .replaceAll('_', ' ')
    .replaceAll(/=([0-9a-f]{2})/gi, (_whole, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(latin1, 'latin1');
}

function decodeAs(charset: string, bytes: Buffer): string | null {
  try {
    // A byte-order mark is part of the text, for whoever wrote it there.
    return new TextDecoder(charset, { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return null;
    throw error;
  }
}

/** Printable ASCII without blanks at its ends or several in a row. */
const PLAIN = /^(?:[\x21-\x7e]+(?: [\x21-\x7e]+)*)?$/;

/** Whether every signer and every store has this header's value as it is. */
export const isPlain = (value: string): boolean => PLAIN.test(value);

/**
 * A value of custom metadata as it is sent; `decodeValue` gives it back. An encoded word also carries blanks, since AWS
 * and R2 sign several in a row as one and Supabase does not (seen on supabase/storage 1.11.2), and what looks like an
 * encoded word itself. `null` for what no UTF-8 holds: half of a surrogate pair.
 */
export function encodeValue(value: string): string | null {
  if (isPlain(value) && decodeValue(value) === value) return value;
  if (!value.isWellFormed()) return null;
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}

/** A system header other than Content-Disposition: blanks as they are signed everywhere. `null` where it is not ASCII. */
export function plainHeader(value: string): string | null {
  const collapsed = value.trim().replaceAll(/[ \t]+/g, ' ');
  return isPlain(collapsed) ? collapsed : null;
}

const TYPE = /^\s*([!#$%&'*+.^_`|~\w-]+)\s*/y;
const PARAMETER = /;\s*([!#$%&'*+.^_`|~\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*)\s*/y;

/**
 * Content-Disposition in ASCII: a file name that is none goes as `filename*` (RFC 8187), beside a `filename` for those
 * who do not know that (RFC 6266, appendix D). `null` for what cannot be read, or holds more that is not ASCII.
 */
export function plainDisposition(value: string): string | null {
  if (isPlain(value)) return value;
  TYPE.lastIndex = 0;
  const type = TYPE.exec(value)?.[1];
  if (type === undefined) return null;
  const parts = [type];
  let at = TYPE.lastIndex;
  const hasExtended = /;\s*filename\*\s*=/i.test(value);
  while (at < value.length) {
    PARAMETER.lastIndex = at;
    const [, name = '', raw = ''] = PARAMETER.exec(value) ?? [];
    if (name === '') return null;
    at = PARAMETER.lastIndex;
    const text = raw.startsWith('"') ? raw.slice(1, -1).replaceAll(/\\(.)/g, '$1') : raw.trim();
    if (isPlain(text)) parts.push(`${name}=${raw.trim()}`);
    else if (name.toLowerCase() !== 'filename' || !text.isWellFormed()) return null;
    else {
      parts.push(`filename="${asciiName(text)}"`);
      if (!hasExtended) parts.push(`filename*=UTF-8''${encodeExtended(text)}`);
    }
  }
  return parts.join('; ');
}

/** Letters without their marks; an underscore for all else that is not ASCII. */
function asciiName(text: string): string {
  return text
    .normalize('NFD')
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^\x20-\x7e]/gu, '_')
    .trim()
    .replaceAll(/ +/g, ' ')
    .replaceAll(/["\\]/g, String.raw`\$&`);
}

/** RFC 8187, section 3.2.1: `encodeURIComponent` leaves four characters that an ext-value must not hold. */
function encodeExtended(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);
}

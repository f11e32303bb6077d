import { isUtf8 } from 'node:buffer';

/** A text of a listing, and why it cannot be what the server means; then `text` is only something to call it by. */
export interface ReadText {
  readonly text: string;
  readonly unreadable?: string;
}

const ENTITIES = new Map(Object.entries({ amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }));
const [LAST_CODE_POINT, FIRST_SURROGATE, LAST_SURROGATE] = [0x10ffff, 0xd800, 0xdfff];
const CDATA = /<!\[CDATA\[(.*?)\]\]>/gs;

/**
 * Resolves the references of XML. One that XML does not know stays as it is: a server that escapes nothing lists
 * `a&b;c` so. A number that is no character makes the text unreadable.
 * @throws Error for markup in the text, which no server writes there
 */
export function readXmlText(raw: string): ReadText {
  if (!raw.includes('<')) return raw.includes('&') ? resolveReferences(raw) : { text: raw };
  let unreadable: string | undefined;
  let text = '';
  let at = 0;
  const outside = (part: string): void => {
    if (part.includes('<')) throw new Error('a text of the listing has markup in it');
    const resolved = resolveReferences(part);
    unreadable ??= resolved.unreadable;
    text += resolved.text;
  };
  for (const { 0: whole, 1: inside = '', index } of raw.matchAll(CDATA)) {
    outside(raw.slice(at, index));
    text += inside;
    at = index + whole.length;
  }
  outside(raw.slice(at));
  return unreadable === undefined ? { text } : { text, unreadable };
}

function resolveReferences(raw: string): ReadText {
  let unreadable: string | undefined;
  const text = raw.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole: string, hex?: string, decimal?: string, name = '') => {
      if (hex === undefined && decimal === undefined) return ENTITIES.get(name) ?? whole;
      const point = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
      if (point <= LAST_CODE_POINT && (point < FIRST_SURROGATE || point > LAST_SURROGATE))
        return String.fromCodePoint(point);
      unreadable ??= `${whole} is no character`;
      return whole;
    },
  );
  return unreadable === undefined ? { text } : { text, unreadable };
}

/**
 * Undoes S3's URL encoding, in which a blank may be a plus sign. What is no such encoding, or no UTF-8, is unreadable;
 * the bytes that no text can hold are then spelled out, so that two such keys stay two.
 */
export function decodeUrl(encoded: string): ReadText {
  const spaced = encoded.includes('+') ? encoded.replaceAll('+', ' ') : encoded;
  if (!spaced.includes('%')) return { text: spaced };
  try {
    return { text: decodeURIComponent(spaced) };
  } catch {
    const text = spaced.replaceAll(/(?:%[0-9a-f]{2})+/gi, (run) =>
      spellBytes(Buffer.from(run.replaceAll('%', ''), 'hex')),
    );
    return { text, unreadable: `${JSON.stringify(encoded)} is not URL-encoded UTF-8` };
  }
}

/** The text of these bytes; those that are not UTF-8 as a replacement character and their hex digits. */
export function spellBytes(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  const spelled = (byte: number): string =>
    byte < 0x80 ? String.fromCodePoint(byte) : `\ufffd${byte.toString(16).toUpperCase()}`;
  return Array.from(bytes, spelled).join('');
}

import { escapeXml } from '../escape-xml.ts';
import { storedKey, type KeyNames } from './r2-key-names.ts';
import { encodeForUri } from './s3-signing.ts';

const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

const unescapeXml = (text: string): string =>
  text.replaceAll(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex?: string, decimal?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });

const inKeys = (xml: string, change: (key: string) => string): string =>
  xml.replaceAll(
    /<(Key|NextMarker)>([^<]*)<\/\1>/g,
    (_whole, element: string, text: string) => `<${element}>${change(text)}</${element}>`,
  );

/** A page of a listing with the keys as they were last written. */
export function withShownKeys(page: string, bucket: string, names: KeyNames): string {
  if (!names.hasAny(bucket)) return page;
  const inUrl = page.includes('<EncodingType>url</EncodingType>');
  return inKeys(page, (text) => {
    const told = unescapeXml(text);
    const stored = inUrl ? decodeURIComponent(told) : told;
    const shown = names.shown(bucket, stored);
    return shown === stored ? text : inUrl ? encodeForUri(shown) : escapeXml(shown);
  });
}

/** The body of a DeleteObjects with the keys that the objects are stored under, and the keys as they were asked for. */
export function withStoredKeys(body: string): { readonly body: string; readonly asked: readonly string[] } {
  const asked: string[] = [];
  const stored = inKeys(body, (text) => {
    asked.push(text);
    return escapeXml(storedKey(unescapeXml(text)));
  });
  return { body: stored, asked };
}

/** The answer to a DeleteObjects, which tells keys in the order and the form in which they were asked for. */
export function withAskedKeys(answer: string, asked: readonly string[]): string {
  let at = 0;
  return inKeys(answer, (text) => asked[at++] ?? text);
}

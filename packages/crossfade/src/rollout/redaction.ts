import type { Json } from './json.ts';

const REPLACEMENT = '[redacted]';

/** Shapes that are secret wherever they come from: bearer tokens, JWTs, signatures and tokens in URLs and JSON, URL passwords. */
const SECRET_SHAPES: readonly [RegExp, string][] = [
  [/eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, REPLACEMENT],
  [/(bearer\s+)[A-Za-z0-9._~+/=-]{8,}/gi, `$1${REPLACEMENT}`],
  [
    /([?&](?:sig|signature|token|x-amz-signature|x-amz-credential|x-amz-security-token)=)[^&\s"']+/gi,
    `$1${REPLACEMENT}`,
  ],
  [/(\\?"(?:access_token|refresh_token)\\?"\s*:\s*\\?")[^"\\]+/g, `$1${REPLACEMENT}`],
  [/(\w+:\/\/[^\s:/@]+:)[^\s@/]+(@)/g, `$1${REPLACEMENT}$2`],
];

export type Redact = <Value extends Json>(value: Value) => Value;

/** Values shorter than this are not searched for: they would blank ordinary words. */
const SHORTEST_SECRET = 6;

/**
 * The one door: everything that is written to the journal, a report or the archive passes here.
 * `secrets` are the literal values of the config's credentials; longer ones are replaced first, so that a
 * secret that contains another leaves nothing behind.
 */
export function createRedaction(secrets: readonly string[]): { text(text: string): string; json: Redact } {
  const literals = [...new Set(secrets.filter((s) => s.length >= SHORTEST_SECRET).flatMap(spellings))].toSorted(
    (a, b) => b.length - a.length,
  );
  const text = (value: string): string => {
    let clean = value;
    for (const literal of literals) clean = clean.replaceAll(literal, REPLACEMENT);
    for (const [shape, replacement] of SECRET_SHAPES) clean = clean.replace(shape, replacement);
    return clean;
  };
  const walk = (value: Json): Json => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(walk);
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [text(key), walk(inner)]));
    }
    return value;
  };
  // The shape is kept, only strings change: the one cast that the types cannot express.
  return { text, json: <Value extends Json>(value: Value): Value => walk(value) as Value };
}

/** How a secret may be written down on its way: in a URL, in JSON, in a Basic header. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret);
  return [
    secret,
    encodeURIComponent(secret),
    JSON.stringify(secret).slice(1, -1),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
  ];
}

/** Fields of a config whose values open something. */
const SECRET_FIELD = /secret|password|token|serviceKey|anonKey|accessKeyId/i;

/** The literal secrets of a config, found by the names of their fields and inside connection strings. */
export function secretsOf(config: unknown): string[] {
  const found: string[] = [];
  const walk = (value: unknown, field: string): void => {
    if (typeof value === 'string') {
      if (SECRET_FIELD.test(field)) found.push(value);
      const password = /^\w+:\/\/[^\s:/@]+:([^\s@/]+)@/.exec(value)?.[1];
      if (password !== undefined) found.push(password, decodeURIComponent(password));
    } else if (Array.isArray(value)) {
      for (const inner of value) walk(inner, field);
    } else if (value !== null && typeof value === 'object') {
      for (const [key, inner] of Object.entries(value)) walk(inner, key);
    }
  };
  walk(config, '');
  return found;
}

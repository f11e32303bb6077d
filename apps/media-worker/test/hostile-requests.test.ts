import * as fc from 'fast-check';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployWorker, ISSUER, JWT_SECRET, LEAKS, SIGNING_SECRET, type DeployedWorker } from './deployed-worker.ts';

const OTHER = '00000000-0000-4000-8000-000000000001';
let worker: DeployedWorker;
let mine: string;
let foreign: string;
let url: string;

beforeAll(async () => {
  worker = await deployWorker({ legacy: false });
  mine = await worker.upload(worker.users.pro, new Uint8Array([1, 2, 3]));
  foreign = await worker.upload(worker.users.free, new Uint8Array([4, 5, 6]));
  url = await worker.sign(worker.users.pro, mine);
});
afterAll(() => worker.close());

/** Status and code, after looking that the answer tells nothing that it should not. */
async function refusal(response: Response): Promise<string> {
  const text = await response.text();
  for (const leak of LEAKS) expect(text).not.toContain(leak);
  const { error } = JSON.parse(text) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}

const now = (): number => Math.floor(Date.now() / 1000);
const claims = (over: Record<string, unknown> = {}) => ({
  sub: worker.users.pro,
  iss: ISSUER,
  aud: 'authenticated',
  exp: now() + 600,
  ...over,
});
const encode = (part: unknown): string => Buffer.from(JSON.stringify(part)).toString('base64url');
const signedBy = (secret: string, payload: Record<string, unknown>, alg = 'HS256') =>
  new SignJWT(payload).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
const good = () => signedBy(JWT_SECRET, claims());

const TOKENS: readonly [string, () => Promise<string> | string, string][] = [
  ['no header', () => '', '401 TOKEN_MISSING'],
  ['another scheme', () => 'Basic dXNlcjpwYXNz', '401 TOKEN_MISSING'],
  ['a scheme without a token', () => 'Bearer ', '401 TOKEN_MISSING'],
  ['two tokens', async () => `Bearer ${await good()} ${await good()}`, '401 TOKEN_MISSING'],
  ['a token that is none', () => 'Bearer abc', '401 TOKEN_INVALID'],
  [
    'an expired one',
    async () => `Bearer ${await signedBy(JWT_SECRET, claims({ exp: now() - 60 }))}`,
    '401 TOKEN_EXPIRED',
  ],
  [
    'one that is not valid yet',
    async () => `Bearer ${await signedBy(JWT_SECRET, claims({ nbf: now() + 600 }))}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one that never expires',
    async () => `Bearer ${await signedBy(JWT_SECRET, { ...claims(), exp: undefined })}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one of another issuer',
    async () => `Bearer ${await signedBy(JWT_SECRET, claims({ iss: 'https://evil.example' }))}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one for another audience',
    async () => `Bearer ${await signedBy(JWT_SECRET, claims({ aud: 'anon' }))}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one of nobody',
    async () => `Bearer ${await signedBy(JWT_SECRET, { ...claims(), sub: undefined })}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one whose user is no id',
    async () => `Bearer ${await signedBy(JWT_SECRET, claims({ sub: "x' or 1=1" }))}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one with another key',
    async () => `Bearer ${await signedBy('another secret of thirty-two bytes!!', claims())}`,
    '401 TOKEN_INVALID',
  ],
  [
    'one signed by the URL key',
    async () => `Bearer ${await signedBy(SIGNING_SECRET.repeat(2), claims())}`,
    '401 TOKEN_INVALID',
  ],
  ['alg none', () => `Bearer ${new UnsecuredJWT(claims()).encode()}`, '401 TOKEN_INVALID'],
  ['alg None, spelt otherwise', () => `Bearer ${encode({ alg: 'nOnE' })}.${encode(claims())}.`, '401 TOKEN_INVALID'],
  [
    'HS512 with the right key',
    async () => `Bearer ${await signedBy(JWT_SECRET.repeat(2), claims(), 'HS512')}`,
    '401 TOKEN_INVALID',
  ],
  [
    'RS256 with an HMAC for a signature',
    async () => `Bearer ${encode({ alg: 'RS256' })}.${(await good()).split('.').slice(1).join('.')}`,
    '401 TOKEN_INVALID',
  ],
  [
    'other claims under a good signature',
    async () => {
      const [header, , signature] = (await good()).split('.');
      return `Bearer ${header}.${encode(claims({ sub: OTHER }))}.${signature}`;
    },
    '401 TOKEN_INVALID',
  ],
  [
    'a good token without its signature',
    async () => `Bearer ${(await good()).split('.').slice(0, 2).join('.')}.`,
    '401 TOKEN_INVALID',
  ],
  [
    'a critical header that nobody knows',
    async () => `Bearer ${encode({ alg: 'HS256', crit: ['x'], x: 1 })}.${encode(claims())}.AAAA`,
    '401 TOKEN_INVALID',
  ],
  [
    'a key in its own header',
    async () => `Bearer ${encode({ alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } })}.${encode(claims())}.AAAA`,
    '401 TOKEN_INVALID',
  ],
];

describe('a hostile token', () => {
  it.each(TOKENS)('%s is refused', async (_name, make, expected) => {
    const authorization = await make();
    const headers = authorization === '' ? {} : { authorization };
    expect(await refusal(await worker.ask(`/api/stream?key=${mine}`, { headers }))).toBe(expected);
  });
});

describe("another user's file", () => {
  it.each([
    ['read', () => worker.ask(`/api/stream?key=${foreign}`, { as: worker.users.pro })],
    ['signed', () => worker.ask(`/api/sign-file?key=${foreign}`, { as: worker.users.pro })],
    [
      'deleted',
      () =>
        worker.ask('/api/delete-file', {
          as: worker.users.pro,
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ key: foreign }),
        }),
    ],
    [
      'a track deleted',
      () =>
        worker.ask('/api/delete-file', {
          as: worker.users.pro,
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ key: 'library/originals/x.wav' }),
        }),
    ],
  ] as const)('is not %s', async (_name, attempt) => {
    expect(await refusal(await attempt())).toBe('403 NOT_OWNER');
    expect(await worker.inR2(foreign)).toEqual(new Uint8Array([4, 5, 6]));
  });
});

describe('a hostile key', () => {
  it.each([
    '../secrets',
    'library/../users/x',
    'users/%2e%2e/x',
    'library%2foriginals',
    'library/..',
    'library/x/../y',
    'library/./x',
    'library/',
    'backup/x.sql',
    'library/a\u0000b',
    'library/a\nb',
    'library\\x',
    '/library/x',
    '',
    `library/${'x'.repeat(1020)}`,
    'LIBRARY/x',
    'library/..',
    'library/x/../y',
    'library/./x',
  ])('%j is refused before anything is looked up', async (key) => {
    const asked = await worker.ask(`/api/sign-file?key=${encodeURIComponent(key)}`, { as: worker.users.pro });
    expect(await refusal(asked)).toBe('400 KEY_INVALID');
  });
});

describe('a signed URL', () => {
  it('does what it was signed for', async () => {
    expect((await worker.ask(url)).status).toBe(200);
  });

  it('is refused with any character of its path or query altered', async () => {
    const { pathname, search, origin } = new URL(url);
    const target = `${pathname}${search}`;
    const place = fc.integer({ min: '/media/users/'.length, max: target.length - 1 });
    const other = fc.constantFrom(...'abcXYZ019-_&=');
    await fc.assert(
      fc.asyncProperty(place, other, async (at, char) => {
        fc.pre(target[at] !== char);
        const altered = `${target.slice(0, at)}${char}${target.slice(at + 1)}`;
        const response = await worker.ask(`${origin}${altered}`);
        expect(response.status, altered).toBeGreaterThanOrEqual(400);
        expect(response.status).toBeLessThan(500);
        await response.arrayBuffer();
      }),
      { numRuns: 150 },
    );
  });

  const changed = (change: (signed: URL) => void): string => {
    const signed = new URL(url);
    change(signed);
    return signed.href;
  };
  it.each([
    ['for another key', () => url.replace(mine, foreign), 'GET'],
    ['for another method', () => url, 'PUT'],
    ['with a later expiry', () => changed((one) => one.searchParams.set('exp', String(now() + 9999))), 'GET'],
    ['with a parameter twice', () => `${url}&exp=${now() + 9999}`, 'GET'],
    ['with a parameter too many', () => `${url}&x=1`, 'GET'],
    ['without its signature', () => changed((one) => one.searchParams.delete('sig')), 'GET'],
    ['by a key that nobody has', () => changed((one) => one.searchParams.set('kid', 'none')), 'GET'],
    ['by the older key, which did not sign it', () => changed((one) => one.searchParams.set('kid', 'old')), 'GET'],
    ['with nothing but a path', () => url.split('?')[0] ?? '', 'GET'],
  ])('%s is refused', async (_name, target, method) => {
    expect(await refusal(await worker.ask(target(), { method }))).toBe('403 SIGNATURE_INVALID');
  });

  it('binds the type and the length of an upload', async () => {
    const signed = (await (
      await worker.ask('/api/sign-upload', {
        as: worker.users.pro,
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ filename: 'x.wav', contentType: 'audio/wav', sizeBytes: 3 }),
      })
    ).json()) as { url: string; key: string };
    const put = (type: string, bytes: string) =>
      worker.ask(signed.url, {
        method: 'PUT',
        headers: { 'content-type': type, 'content-length': String(bytes.length) },
        body: bytes,
      });
    expect(await refusal(await put('text/html', 'abc'))).toBe('400 TYPE_MISMATCH');
    expect(await refusal(await put('audio/wav', 'abcd'))).toBe('400 LENGTH_MISMATCH');
    expect(await worker.inR2(signed.key)).toBeNull();
  });
});

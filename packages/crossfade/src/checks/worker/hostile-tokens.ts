import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function hs256(header: Record<string, unknown>, claims: Record<string, unknown>, secret: string): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** Tokens that look right and are not; each must be refused as 401. */
export function hostileTokens(jwtSecret: string, issuer: string, subject: string): { name: string; token: string }[] {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: 'HS256', typ: 'JWT' };
  const good = { sub: subject, role: 'authenticated', aud: 'authenticated', iss: issuer, iat: now, exp: now + 600 };
  const valid = hs256(header, good, jwtSecret);
  const [head = '', body = '', signature = ''] = valid.split('.');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsaInput = `${encode({ alg: 'RS256', typ: 'JWT' })}.${body}`;
  const jwk = publicKey.export({ format: 'jwk' });
  const { exp: _exp, ...immortal } = good;
  const { sub: _sub, ...nobody } = good;
  const by = (claims: Record<string, unknown>, more: Record<string, unknown> = {}): string =>
    hs256({ ...header, ...more }, { ...good, ...claims }, jwtSecret);
  return [
    { name: 'not a token', token: 'x' },
    { name: 'empty parts', token: '..' },
    { name: 'two parts', token: `${head}.${body}` },
    { name: 'five parts, as if encrypted', token: `${head}.${body}.${signature}.${body}.${signature}` },
    { name: 'a header that is no JSON', token: `bm90IGpzb24.${body}.${signature}` },
    { name: 'claims that are no JSON', token: `${head}.bm90IGpzb24.${signature}` },
    { name: 'alg none without a signature', token: `${encode({ alg: 'none', typ: 'JWT' })}.${body}.` },
    { name: 'alg None, oddly written', token: `${encode({ alg: 'nOnE', typ: 'JWT' })}.${body}.` },
    { name: 'alg none with the old signature', token: `${encode({ alg: 'none' })}.${body}.${signature}` },
    { name: 'no alg at all', token: `${encode({ typ: 'JWT' })}.${body}.${signature}` },
    { name: 'signature cut', token: `${head}.${body}.${signature.slice(0, -4)}` },
    { name: 'signature of zeroes', token: `${head}.${body}.${Buffer.alloc(32).toString('base64url')}` },
    { name: 'claims altered, signature kept', token: `${head}.${encode({ ...good, sub: randomUUID() })}.${signature}` },
    { name: 'another secret', token: hs256(header, good, 'another secret that is long enough') },
    { name: 'empty secret', token: hs256(header, good, '') },
    { name: 'expired', token: by({ iat: now - 7200, exp: now - 3600 }) },
    { name: 'just expired, beyond the clocks’ difference', token: by({ iat: now - 600, exp: now - 60 }) },
    { name: 'not yet valid', token: by({ nbf: now + 3600 }) },
    { name: 'an end that is a text', token: by({ exp: String(now + 600) }) },
    { name: 'without an end', token: hs256(header, immortal, jwtSecret) },
    { name: 'wrong issuer', token: by({ iss: 'https://evil.example/auth/v1' }) },
    { name: 'an issuer that only begins right', token: by({ iss: `${issuer}.evil.example` }) },
    { name: 'wrong audience', token: by({ aud: 'anon' }) },
    { name: 'without a subject', token: hs256(header, nobody, jwtSecret) },
    { name: 'a subject that is no user', token: by({ sub: 'admin' }) },
    { name: 'a subject that climbs', token: by({ sub: `../${subject}` }) },
    { name: 'HS512 with the right secret', token: hs256({ alg: 'HS512', typ: 'JWT' }, good, jwtSecret) },
    { name: 'a critical header that nobody knows', token: by({}, { crit: ['unknown'], unknown: 1 }) },
    {
      name: 'RS256 by a key of its own',
      token: `${rsaInput}.${sign('sha256', Buffer.from(rsaInput), privateKey).toString('base64url')}`,
    },
    {
      name: 'RS256 by a key that the header brings along',
      token: bringingItsKey({ alg: 'RS256', jwk }, body, privateKey),
    },
    {
      name: 'RS256 by a key at an address of its own',
      token: bringingItsKey({ alg: 'RS256', jku: 'https://evil.example/keys', kid: '1' }, body, privateKey),
    },
    { name: 'RS256 header over an HMAC (key confusion)', token: hs256({ alg: 'RS256', typ: 'JWT' }, good, jwtSecret) },
    {
      name: 'an HMAC by a public key (key confusion)',
      token: hs256(header, good, publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    },
  ];
}

function bringingItsKey(header: Record<string, unknown>, body: string, privateKey: Parameters<typeof sign>[2]): string {
  const input = `${encode(header)}.${body}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

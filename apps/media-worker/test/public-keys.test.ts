import { once } from 'node:events';
import { createServer } from 'node:http';
import { exportJWK, generateKeyPair, SignJWT, type JWK } from 'jose';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { deployWorker, ISSUER, type DeployedWorker } from './deployed-worker.ts';

/** What the project publishes at the moment, and how often it was asked. */
let published: JWK[] = [];
let asked = 0;
let worker: DeployedWorker;
const server = createServer((_request, response) => {
  asked++;
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ keys: published }));
});

async function makeKey(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256');
  return { jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' }, privateKey, kid };
}
type Key = Awaited<ReturnType<typeof makeKey>>;
const tokenBy = ({ privateKey, kid }: Key): Promise<string> =>
  new SignJWT({ sub: worker.users.pro, iss: ISSUER, aud: 'authenticated' })
    .setProtectedHeader({ alg: 'ES256', kid })
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(privateKey);
const statusFor = async (token: string): Promise<number> =>
  (await worker.ask('/api/uploads', { headers: { authorization: `Bearer ${token}` } })).status;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  worker = await deployWorker({
    legacy: false,
    vars: { JWKS_URL: `http://127.0.0.1:${port}/jwks.json`, JWT_SECRET: '' },
  });
});
afterAll(async () => {
  await worker.close();
  server.close();
});

it('a token is verified by the published keys, which are asked for once', async () => {
  const key = await makeKey('first');
  published = [key.jwk];
  for (let i = 0; i < 20; i++) expect(await statusFor(await tokenBy(key))).toBe(200);
  expect(asked).toBe(1);
});

it('a key that was rotated in is believed as soon as it is published, and one that was never published is not', async () => {
  const next = await makeKey('second');
  const strange = await makeKey('third');
  expect(await statusFor(await tokenBy(strange))).toBe(401);
  published = [...published, next.jwk];
  await vi.waitFor(async () => expect(await statusFor(await tokenBy(next))).toBe(200), { timeout: 5000 });
  expect(await statusFor(await tokenBy(strange))).toBe(401);
});

it('the public key cannot be used as a secret, nor the secret where only keys count', async () => {
  const claims = { sub: worker.users.pro, iss: ISSUER, aud: 'authenticated' };
  const secrets = [JSON.stringify(published[0]), published[0]?.x ?? '', 'the former secret of the project'];
  for (const secret of secrets) {
    const forged = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', kid: 'first' })
      .setIssuedAt()
      .setExpirationTime('10m')
      .sign(new TextEncoder().encode(secret));
    expect(await statusFor(forged)).toBe(401);
  }
});

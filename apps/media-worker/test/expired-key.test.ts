import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { deployWorker, JWT_SECRET, LEAKS, type DeployedWorker } from './deployed-worker.ts';

/*
 * The Worker's key for legacy expires, or is rotated, while the migration lasts. Supabase Storage answers that with the
 * HTTP 400 that it has for a missing object too, so reads were 404 and deletes were successes (seen on supabase/storage
 * 1.11.2). What legacy has is not gone, and whoever deletes it must hear that it is still there.
 */
let worker: DeployedWorker;
const key = (): string => `users/${worker.users.pro}/uploads/kept.wav`;
const BYTES = new TextEncoder().encode('the bytes of legacy');

beforeAll(async () => {
  const expired = await new SignJWT({ role: 'service_role' })
    .setProtectedHeader({ alg: 'HS256' })
    .setExpirationTime('-1h')
    .sign(new TextEncoder().encode(JWT_SECRET));
  worker = await deployWorker({ legacy: true, vars: { LEGACY_SERVICE_KEY: expired } });
  await worker.putLegacy(key(), BYTES);
  await worker.query('insert into uploads (user_id, title, file_key) values ($1, $2, $2)', [worker.users.pro, key()]);
});
afterAll(() => worker.close());

async function refused(response: Response): Promise<unknown[]> {
  const text = await response.text();
  for (const leak of LEAKS) expect(text).not.toContain(leak);
  const { error } = JSON.parse(text) as { error: { code: string } };
  return [response.status, error.code, response.headers.get('retry-after')];
}
const UNAVAILABLE = [503, 'LEGACY_UNAVAILABLE', '5'];

it.each(['r2', 'bypass'] as const)('the %s build does not call a file gone that it may not read', async (build) => {
  const url = await worker.sign(worker.users.pro, key());
  expect(await refused(await worker.ask(url, { build }))).toEqual(UNAVAILABLE);
  const stream = `/api/stream?key=${encodeURIComponent(key())}`;
  expect(await refused(await worker.ask(stream, { as: worker.users.pro, build }))).toEqual(UNAVAILABLE);
});

it.each(['r2', 'bypass'] as const)('the %s build does not call a file deleted that is still there', async (build) => {
  const deleted = await worker.ask('/api/delete-file', {
    as: worker.users.pro,
    build,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key: key() }),
  });
  expect(await refused(deleted)).toEqual(UNAVAILABLE);
  expect(await worker.inLegacy(key())).toEqual(BYTES);
  // Its row stays: the user still has it, and may delete it again.
  expect(await worker.query('select 1 from uploads where file_key = $1', [key()])).toHaveLength(1);
});

it('serves what R2 has, since that needs no key', async () => {
  const own = await worker.upload(worker.users.pro, BYTES);
  expect((await worker.ask(await worker.sign(worker.users.pro, own))).status).toBe(200);
});

it('says in its health that legacy does not let it in', async () => {
  const health = await worker.ask('/health', { build: 'bypass' });
  expect(await health.json()).toMatchObject({ status: 'degraded', dependencies: { store: false } });
});

import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { askAsStranger, readKnown } from '../../../packages/crossfade/src/monitor/canary-reads.ts';
import { openSession } from '../../../packages/crossfade/src/monitor/canary-session.ts';
import type { PublicHttp } from '../../../packages/crossfade/src/providers/providers.ts';
import type { RolloutContext } from '../../../packages/crossfade/src/rollout/context.ts';
import { deployWorker, type DeployedWorker } from './deployed-worker.ts';

let worker: DeployedWorker;
const track = Buffer.alloc(100_000, 7);

beforeAll(async () => {
  worker = await deployWorker({ legacy: true });
  await worker.putLegacy('library/originals/one.wav', track);
  await worker.query(
    `insert into library_tracks (title, file_key, size_bytes) values ('One', 'library/originals/one.wav', 100000)`,
  );
}, 60_000);
afterAll(() => worker.close());

/** The sentinel's context, whose public HTTP leads to the Worker in workerd. */
function context(): RolloutContext {
  const request: PublicHttp['request'] = async (url, { method = 'GET', headers = {}, body } = {}) => {
    // The length that a client over the wire would send by itself.
    const sent = body === undefined ? {} : { body: Buffer.from(body) };
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const answer = await worker.ask(url, { method, headers: { ...headers, ...length }, ...sent });
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: Buffer.from(await answer.arrayBuffer()),
      ms: 1,
      address: '127.0.0.1',
    };
  };
  const signIn = async (tier: string) => {
    const userId = tier === 'enterprise' ? worker.users.enterprise : worker.users.free;
    return { accessToken: await worker.token(userId), userId };
  };
  const testUsers = ['enterprise', 'free'].map((tier) => ({ email: tier, password: 'p', tier }));
  const production = { worker: { name: 'media', mediaOrigin: 'https://media.example' }, testUsers };
  const bucket = {
    get: async (_key: string, { start, end }: { start: number; end: number }) => ({
      body: Readable.from([track.subarray(start, end + 1)]),
    }),
  };
  const stand = {
    config: { dns: { edgeAddresses: ['127.0.0.1'] }, environments: { production } },
    providers: { http: { request }, supabase: { production: { signIn } }, r2: { production: bucket } },
  };
  // The canary asks for nothing else.
  return stand as unknown as RolloutContext;
}

it('serves the canary its own object and the library, and keeps a stranger out', async () => {
  const session = await openSession(context());
  expect(session.library).toHaveLength(1);
  for (const known of [...session.own, ...session.library])
    expect(await readKnown(session.owner, known)).toMatchObject({ kind: 'served' });
  for (const route of ['/api/sign-file', '/api/stream'] as const)
    expect(await askAsStranger(session.stranger, session.key, route)).toBeNull();

  const changed = Buffer.from((await worker.inR2(session.key)) ?? []);
  changed.writeUInt8(changed.readUInt8(5000) ^ 1, 5000);
  await worker.putR2(session.key, changed);
  const outcomes = await Promise.all(session.own.map((known) => readKnown(session.owner, known)));
  expect(outcomes).toMatchObject([
    { kind: 'served' },
    { kind: 'wrong bytes', trouble: { measured: { key: session.key, byte: 5000, source: 'r2' } } },
  ]);
  // The owner asks for it as a stranger would: the check can see an object that is served.
  expect(await askAsStranger(session.owner, session.key, '/api/stream')).toMatchObject({ measured: { status: 200 } });
  expect((await session.owner.remove(session.key)).status).toBe(200);
});

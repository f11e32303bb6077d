import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ProviderError } from '../../providers/provider-error.ts';
import { errorText } from '../../rollout/error-text.ts';
import { memoryStore } from '../fixtures/memory-store.ts';
import { runSharedCopy } from './shared-copy.ts';
import type { OpenStore } from './shared-transfer.ts';

let database: DatabaseServer;
beforeAll(async () => void (database = await startTemporaryDatabase('crossfade')));
afterAll(() => database.stop());

const openStore: OpenStore = (location) => ({ ...memoryStore(location), close: async () => {} });
/** The target cannot be listed. */
const without = (details: { status: number | null; message: string }): OpenStore => {
  return (location, use) => ({
    ...memoryStore(location),
    // oxlint-disable-next-line require-yield
    async *list() {
      if (use === 'write') throw new ProviderError('s3', 'ListObjectsV2', details);
    },
    close: async () => {},
  });
};
const away = without({ status: null, message: 'it did not answer' });

/** Ends with the first look at how far it is: it was begun, or joined. Nobody copies. */
async function begin(opens: OpenStore): Promise<unknown> {
  const stop = new AbortController();
  return runSharedCopy({
    databaseUrl: database.url('crossfade'),
    from: 'legacy',
    to: 'r2',
    openStore: opens,
    concurrency: 1,
    takesPart: false,
    onProgress: () => stop.abort(),
    signal: stop.signal,
  }).catch((error: unknown) => (stop.signal.aborted ? 'it goes on' : errorText(error)));
}

it('a copy is not begun towards a store that does not answer; one that is under way waits for it', async () => {
  expect(await begin(away)).toContain('did not answer');
  expect(await begin(openStore)).toBe('it goes on');
  expect(await begin(away)).toBe('it goes on');
});

it('a copy that is under way is not gone on with by credentials that the store refuses', async () => {
  expect(await begin(openStore)).toBe('it goes on');
  expect(await begin(without({ status: 403, message: 'access denied' }))).toContain('access denied');
});

it('keys that the target would hold as one object are named, though they lie in two ranges, and neither is written', async () => {
  const alike = ['cafe\u0301.mp3', 'caf\u00e9.mp3'];
  const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
  for (const key of alike) from.place(key, `bytes of ${key}`);
  for (let index = 0; index < 40; index++) from.place(`caff-${index}.mp3`, 'x');
  const { put, head } = to;
  const r2 = {
    ...to,
    normalizesKeys: true,
    // R2 documents NFC for every key, whatever form it is asked for in.
    put: (key: string, ...object: [Parameters<typeof put>[1], number, Parameters<typeof put>[3]]) =>
      put(key.normalize('NFC'), ...object),
    head: (key: string) => head(key.normalize('NFC')),
  };
  const result = await runSharedCopy({
    databaseUrl: database.url('crossfade'),
    from: 'source of keys',
    to: 'target of keys',
    options: { partitions: 4 },
    openStore: (_location, use) => ({ ...(use === 'read' ? from : r2), close: async () => {} }),
    concurrency: 2,
    signal: AbortSignal.timeout(60_000),
  });
  expect(result.account).toEqual({ listed: 42, proven: 40, failed: 2, gone: 0, late: 0 });
  expect(result.failures.map(({ key }) => key).toSorted()).toEqual(alike.toSorted());
  expect(result.failures[0]?.reason).toContain('normalises keys to NFC and would hold one object for');
  expect([to.objects.size, [...to.objects.keys()].filter((key) => alike.includes(key))]).toEqual([40, []]);
});

it('joins no copy between other stores that have the same names', async () => {
  const run = (places: readonly string[], stop: AbortController) =>
    runSharedCopy({
      databaseUrl: database.url('crossfade'),
      from: 'same-name',
      to: 'same-target',
      options: { places },
      openStore,
      concurrency: 1,
      takesPart: false,
      onProgress: () => stop.abort(),
      signal: stop.signal,
    }).catch(() => null);
  await run(['https://a.example/media/', 'https://t.example/media/'], new AbortController());
  await run(['https://b.example/media/', 'https://t.example/media/'], new AbortController());
  await run(['https://a.example/media/', 'https://t.example/media/'], new AbortController());
  const pool = new Pool({ connectionString: database.url('crossfade') });
  const { rows } = await pool.query(
    "select options->'places' as places from crossfade.transfers where from_location = 'same-name'",
  );
  await pool.end();
  expect(rows.map(({ places }) => places[0]).toSorted()).toEqual([
    'https://a.example/media/',
    'https://b.example/media/',
  ]);
});

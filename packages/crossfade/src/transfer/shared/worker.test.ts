import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashesOf, startSharedWorld, type SharedWorld } from '../fixtures/shared-world.ts';
import { metaOf } from '../../providers/object-meta.ts';

const OBJECTS = 240;
const META = metaOf({ contentType: 'audio/wav' });
const copied = v.object({
  transfer: v.string(),
  objects: v.number(),
  verified: v.number(),
  copied: v.number(),
  failed: v.number(),
  failures: v.unknown(),
});
let world: SharedWorld;
let sent: Map<string, string>;

beforeAll(async () => {
  world = await startSharedWorld();
  for (const name of ['source', 'target'] as const) await world.startStore(name);
  const source = world.open('source');
  const keys = Array.from({ length: OBJECTS }, (_, index) => `user-${index % 7}/song ${index}.wav`);
  for (let at = 0; at < keys.length; at += 20)
    await Promise.all(
      keys.slice(at, at + 20).map((key) => {
        const bytes = Buffer.from(`bytes of ${key}`.repeat(1 + (key.length % 40)));
        return source.put(key, bytes, bytes.byteLength, META);
      }),
    );
  const large = Buffer.alloc(11 * 1024 * 1024, 'large');
  await source.put('large.wav', large, large.byteLength, META);
  sent = await hashesOf(source);
  await source.close();
});
afterAll(() => world.close());

async function emptyTarget(): Promise<void> {
  await world.targetPool.query('delete from storage.objects');
}

/** Waits until so many objects are in the target. */
async function arrived(count: number): Promise<void> {
  for (;;) {
    const { rows } = await world.targetPool.query<{ count: string }>('select count(*) from storage.objects');
    if (Number(rows[0]?.count) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until so many workers are there. */
async function joined(count: number): Promise<void> {
  for (;;) {
    const { rows } = await world.pool
      .query<{ count: string }>('select count(*) from crossfade.transfer_workers where gone_at is null')
      // The first of them makes the tables.
      .catch(() => ({ rows: [] }));
    if (Number(rows[0]?.count) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function ended(child: ChildProcess): Promise<{ code: unknown; said: string }> {
  if (child.stderr === null) throw new Error('the worker says nothing');
  const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { code, said };
}

/** A database in which no worker has ever been, and that lets `count` of them go on only when all have come to it. */
async function freshDatabase(count: number): Promise<() => Promise<void>> {
  await world.pool.query('drop schema if exists crossfade cascade; drop schema if exists dbos cascade');
  const gate = await world.pool.connect();
  // Whoever makes the tables waits for this lock.
  await gate.query(`begin; select pg_advisory_xact_lock(hashtextextended('crossfade/schema', 0))`);
  return async () => {
    for (let waiting = 0; waiting < count;) {
      const { rows } = await world.pool.query<{ n: string }>(
        `select count(*) as n from pg_locks where locktype = 'advisory' and not granted`,
      );
      waiting = Number(rows[0]?.n);
    }
    await gate.query('rollback');
    gate.release();
  };
}

async function shareWith(
  count: number,
  during: (workers: ChildProcess[]) => Promise<void>,
  letGo: () => Promise<void> = async () => {},
) {
  await emptyTarget();
  const manifest = join(world.folder, `manifest-${count}.jsonl`);
  const workers = Array.from({ length: count }, () => world.startWorker());
  const saying = workers.map(ended);
  const early = Promise.race(saying).then(({ code, said }) => {
    throw new Error(`a worker ended with ${String(code)} before all had joined: ${said}`);
  });
  await Promise.race([letGo().then(() => joined(count)), early]);
  const copy = world.startCopy({ partitions: 16, mostObjects: 12, takesPart: false, manifest });
  await during(workers);
  const result = v.parse(copied, JSON.parse(await copy.output));
  const target = world.open('target');
  const got = await hashesOf(target);
  await target.close();
  const shares = await world.pool.query('select worker from crossfade.transfer_partitions where transfer = $1', [
    result.transfer,
  ]);
  for (const worker of workers) worker.kill('SIGINT');
  return {
    result,
    got,
    shares: new Set(shares.rows.map((row: { worker: unknown }) => row.worker)).size,
    ends: await Promise.all(saying),
    rows: (await readFile(manifest, 'utf8')).trim().split('\n'),
  };
}

describe('machines that share one copy', () => {
  it.each([2, 4])('%d workers copy each their part, and each tells how fast; nothing is left out', async (count) => {
    const { result, got, shares, ends, rows } = await shareWith(count, async () => {});
    expect(result).toMatchObject({
      objects: sent.size,
      verified: sent.size,
      copied: sent.size,
      failed: 0,
      failures: [],
    });
    expect(shares).toBe(count);
    expect(got).toEqual(sent);
    expect(new Set(rows.map((row) => v.parse(v.object({ key: v.string() }), JSON.parse(row)).key)).size).toBe(
      sent.size,
    );
    for (const { code, said } of ends) {
      expect(code, said).toBe(130);
      expect(said).toMatch(/\d+\/s [\d.]+ MiB\/s; with \d others? \d+\/s/);
    }
  });

  it('two that begin at the very same moment, where there are no tables yet, both join and share the copy', async () => {
    const { result, got, shares, ends } = await shareWith(2, async () => {}, await freshDatabase(2));
    expect(result).toMatchObject({ objects: sent.size, verified: sent.size, copied: sent.size, failed: 0 });
    expect(shares).toBe(2);
    expect(got).toEqual(sent);
    for (const { code, said } of ends) expect(code, said).toBe(130);
  });

  it('of two, one is killed: the other takes over its share', async () => {
    const { result, got } = await shareWith(2, async ([first]) => {
      await arrived(OBJECTS / 3);
      first?.kill('SIGKILL');
    });
    expect(result).toMatchObject({ objects: sent.size, verified: sent.size, failed: 0, failures: [] });
    expect(got).toEqual(sent);
  });

  it('one that is interrupted gives back its partition, and one with --once ends with the last', async () => {
    let late: ReturnType<typeof ended> | undefined;
    const { result, got, ends } = await shareWith(1, async ([first]) => {
      await arrived(OBJECTS / 3);
      first?.kill('SIGINT');
      await once(first ?? world.pool, 'exit');
      late = ended(world.startWorker('--once'));
    });
    expect(ends[0]?.code).toBe(130);
    expect((await late)?.code).toBe(0);
    expect(result).toMatchObject({ objects: sent.size, verified: sent.size, failed: 0, failures: [] });
    expect(got).toEqual(sent);
  });
});

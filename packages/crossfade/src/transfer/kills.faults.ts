import type { ChildProcess } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashesOf, startSharedWorld, type SharedWorld, type StoreName } from './fixtures/shared-world.ts';
import { metaOf } from '../providers/object-meta.ts';

/** `npm run test:crashes` kills a hundred times; `test:faults` a part of it. `CROSSFADE_KILL_SEED` plays one again. */
const KILLS = process.env['CROSSFADE_KILL_POINTS'] === 'all' ? 100 : 15;
const SEED = Number(process.env['CROSSFADE_KILL_SEED'] ?? randomInt(1, 2 ** 31));
const SMALL = 240;
const LARGE = 3;
const WORKERS = 2;
/** A copy that makes no progress for so long is stuck, ms. */
const STUCK_MS = 90_000;
const MIB = 1024 * 1024;
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=60', custom: { artist: 'Ada' } });
const VICTIMS = ['worker 0', 'worker 1', 'controller', 'source', 'target'] as const;
type Victim = (typeof VICTIMS)[number];

const result = v.object({ objects: v.number(), verified: v.number(), failed: v.number(), failures: v.unknown() });
let world: SharedWorld;
let sent: Map<string, string>;
const processes = new Map<Victim, ChildProcess>();
/** The last words of each worker. */
const said = new Map<ChildProcess, string>();

beforeAll(async () => {
  world = await startSharedWorld();
  for (const name of ['source', 'target'] as const) processes.set(name, await world.startStore(name));
  const source = world.open('source');
  const sizes = Array.from({ length: SMALL + LARGE }, (_, at) => (at < LARGE ? (6 + 5 * at) * MIB : (at * 397) % 9000));
  for (let at = 0; at < sizes.length; at += 16)
    await Promise.all(
      sizes.slice(at, at + 16).map((size, index) => {
        const key = `album ${(at + index) % 11}/track ${at + index}.wav`;
        return source.put(key, randomBytes(size), size, META);
      }),
    );
  sent = await hashesOf(source);
  await source.close();
});
afterAll(() => world.close());

/** mulberry32: the same seed kills the same processes after as much progress. */
function createChance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** Resolves with `true` when so many objects more have been written to the target, `false` when the copy is over. */
async function progress(writes: number, isOver: () => boolean): Promise<boolean> {
  const clock = await world.targetPool.query<{ now: Date }>('select clock_timestamp() as now');
  const read = async (): Promise<number> => {
    const { rows } = await world.targetPool.query<{ count: string }>(
      'select count(*) from storage.objects where updated_at > $1',
      [clock.rows[0]?.now],
    );
    return Number(rows[0]?.count);
  };
  for (const begun = performance.now(); !isOver();) {
    if ((await read()) >= writes) return true;
    if (performance.now() - begun > STUCK_MS) {
      const { rows } = await world.pool.query(
        'select number, state, worker, result from crossfade.transfer_partitions',
      );
      throw new Error(`seed ${SEED}: the copy is stuck: ${JSON.stringify(rows)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return false;
}

async function start(victim: Victim): Promise<void> {
  const isStore = (name: string): name is StoreName => name === 'source' || name === 'target';
  if (isStore(victim)) processes.set(victim, await world.startStore(victim));
  else if (victim !== 'controller') {
    const worker = world.startWorker('--concurrency', '2');
    worker.stderr?.on('data', (chunk: Buffer) => said.set(worker, String(chunk)));
    processes.set(victim, worker);
  }
}

/** One copy, killed at until it is complete or no kill is left. Answers with what it came to, and who was killed. */
async function copyUnderKills(round: number, chance: (below: number) => number, most: number) {
  await world.targetPool.query('delete from storage.objects');
  const manifest = join(world.folder, `manifest-${round}.jsonl`);
  const killed: Victim[] = [];
  let output: Promise<string> = Promise.resolve('');
  let over = false;
  const control = (): void => {
    const copy = world.startCopy({ partitions: 12, mostObjects: 16, takesPart: false, manifest });
    processes.set('controller', copy.child);
    ({ output } = copy);
    copy.child.once('exit', (code) => (over ||= code !== null));
  };
  control();
  while (killed.length < most && (await progress(1 + chance(8), () => over))) {
    const victim = VICTIMS[chance(VICTIMS.length)] ?? 'source';
    const child = processes.get(victim);
    if (child === undefined) throw new Error(`there is no ${victim}`);
    if (victim === 'controller' && child.exitCode !== null) break;
    if (child.exitCode !== null) throw new Error(`seed ${SEED}: ${victim} ended by itself: ${said.get(child)}`);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    if (over) break;
    killed.push(victim);
    if (process.env['CROSSFADE_KILL_LOG'] === '1')
      process.stderr.write(`${new Date().toISOString()} copy ${round}: ${victim}\n`);
    if (victim === 'controller') control();
    else await start(victim);
  }
  const controller = processes.get('controller');
  if (!over && controller !== undefined) await once(controller, 'exit');
  return { killed, ...v.parse(result, JSON.parse(await output)), rows: await readFile(manifest, 'utf8') };
}

describe('a copy whose workers, controller and servers are killed at random', () => {
  it('ends complete and verified, with no object written wrong', { timeout: 40 * 60_000 }, async () => {
    console.log(`CROSSFADE_KILL_SEED=${SEED}`);
    const chance = createChance(SEED);
    for (let index = 0; index < WORKERS; index++) await start(VICTIMS[index] ?? 'worker 0');
    const kills = new Map<Victim, number>();
    let [done, rounds] = [0, 0];
    while (done < KILLS) {
      const { killed, rows, ...copy } = await copyUnderKills(++rounds, chance, KILLS - done);
      done += killed.length;
      for (const victim of killed) kills.set(victim, (kills.get(victim) ?? 0) + 1);
      expect(copy, `seed ${SEED}, copy ${rounds}`).toMatchObject({
        objects: sent.size,
        verified: sent.size,
        failed: 0,
      });
      const target = world.open('target');
      expect(await hashesOf(target), `seed ${SEED}, copy ${rounds}`).toEqual(sent);
      await target.close();
      const keys = rows
        .trim()
        .split('\n')
        .map((row) => v.parse(v.object({ key: v.string() }), JSON.parse(row)).key);
      expect(new Set(keys)).toEqual(new Set(sent.keys()));
      expect(keys).toHaveLength(sent.size);
    }
    console.log(`${done} kills in ${rounds} copies: ${JSON.stringify(Object.fromEntries(kills))}`);
    expect(done).toBe(KILLS);
  });
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { build } from 'esbuild';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startSmallCloud, type CloudState, type SmallCloud } from './fixtures/small-cloud.ts';
import type { KillPoint, SmallLife } from './fixtures/small-controller.ts';
import type { Effect } from './fixtures/small-effects.ts';

/** Rollouts that are played side by side: as many as there are cores to play them on. */
const LANES = 2;
/** `npm run test:crashes` plays every point; `test:faults` every so many-th. */
const STRIDE = process.env['CROSSFADE_KILL_POINTS'] === 'all' ? 1 : 24;
/** Where to begin; CI's own run is the same each time, so that what fails there can be looked into. */
const FIRST = Number(process.env['CROSSFADE_KILL_FIRST'] ?? 0);
/** To look into some: `after-change:22,event:7`. */
const ONLY = process.env['CROSSFADE_KILL_AT'];
const LEAST_POINTS = 200;
const MOST_MS = 25 * 60_000;

const CONTROLLER = fileURLToPath(new URL('fixtures/small-controller.ts', import.meta.url));
let server: DatabaseServer;
let folder: string;
let account: string;
let script: string;

beforeAll(async () => {
  const lanes = Array.from({ length: LANES }, (_, lane) => `small${lane}`);
  server = await startTemporaryDatabase('engine', ...lanes);
  folder = await mkdtemp(join(tmpdir(), 'crossfade-crashes-'));
  account = join(folder, 'account');
  script = await bundled();
  const cloud = await startSmallCloud({ databaseUrl: server.url('small0') });
  await cloud.copyAccount(account);
  await cloud.close();
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** The controller as one file, beside its source: hundreds of lives need not each read a thousand modules. */
async function bundled(): Promise<string> {
  const outfile = fileURLToPath(new URL(`fixtures/.small-controller-${process.pid}.mjs`, import.meta.url));
  await build({
    entryPoints: [CONTROLLER],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
  });
  return outfile;
}
afterAll(() => rm(script, { force: true }));

const counts = v.object({ 'before-change': v.number(), 'after-change': v.number(), event: v.number() });
const ended = v.object({ outcome: v.string(), reason: v.nullable(v.string()), counted: counts });
type Ended = v.InferOutput<typeof ended>;

/** One life of a controller; `null` when it was killed. */
async function live(life: SmallLife): Promise<Ended | null> {
  const child = spawn(process.execPath, ['--disable-warning=DeprecationWarning', script, JSON.stringify(life)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [output, errors, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit') as Promise<[number | null, string | null]>,
  ]);
  if (signal === 'SIGKILL') return null;
  if (code !== 0) throw new Error(`the controller ended with ${code}: ${errors}`);
  return v.parse(ended, JSON.parse(output));
}

interface Played {
  readonly end: Ended;
  readonly state: CloudState;
  readonly effects: readonly Effect[];
  /** Whether the first life was killed at all. */
  readonly killed: boolean;
}

let played = 0;
let enumerated = 0;

/** A whole rollout in a cloud of its own: a first life that may be killed, and a second that goes on. */
async function play(lane: number, fails: boolean, kill: KillPoint | null): Promise<Played> {
  const cloud: SmallCloud = await startSmallCloud({ databaseUrl: server.url(`small${lane}`), account });
  try {
    played += 1;
    const rollout = `small-${played}`;
    const life = {
      config: cloud.config,
      engineUrl: server.url('engine'),
      rollout,
      folder: join(folder, rollout),
      fails,
    };
    const first = await live({ ...life, kill });
    const end = first ?? (await live({ ...life, kill: null }));
    if (end === null) throw new Error('a controller that nobody told to end was killed');
    return { end, state: await cloud.state(), effects: [...cloud.effects], killed: first === null };
  } finally {
    await cloud.close();
  }
}

/** Every point of an undisturbed run: around each change of the world, and after each event of its journal. */
function pointsOf({ counted }: Ended): KillPoint[] {
  return (Object.keys(counted) as KillPoint['at'][]).flatMap((at) =>
    Array.from({ length: counted[at] }, (_, index): KillPoint => ({ at, n: index + 1 })),
  );
}

/** The rollout's name is another in each run. */
const alike = (line: string): string => line.replaceAll(/small-\d+:/g, '<rollout>:');

/** Copies are made side by side, so their order tells nothing; that of all other changes does. */
function inOrder(effects: readonly Effect[]): string[] {
  const lines = effects.map((effect) => alike(JSON.stringify(effect)));
  const isCopy = (index: number): boolean => /^(r2|legacy):/.test(effects[index]?.path ?? '');
  return [...lines.filter((_, index) => !isCopy(index)), ...lines.filter((_, index) => isCopy(index)).toSorted()];
}

/** What differs from the undisturbed run; empty when nothing does. */
function judge({ at, n }: KillPoint, got: Played, clean: Played): string[] {
  const name = `killed ${at} ${n}`;
  const [mine, theirs] = [inOrder(got.effects), inOrder(clean.effects)];
  const first = mine.findIndex((line, index) => line !== theirs[index]);
  const changed = first !== -1 || mine.length !== theirs.length;
  const world = JSON.stringify(got.state);
  return [
    ...(got.killed ? [] : [`${name}: it was not killed`]),
    ...(got.end.outcome === clean.end.outcome ? [] : [`${name}: ${got.end.outcome}, ${got.end.reason}`]),
    ...(world === JSON.stringify(clean.state) ? [] : [`${name}: the world is ${world}`]),
    ...(changed
      ? [
          `${name}: ${mine.length} changes, undisturbed ${theirs.length}; the first other one: ${mine[first]}, undisturbed ${theirs[first]}`,
        ]
      : []),
  ];
}

describe('a controller that is killed with SIGKILL', () => {
  it.each([
    ['goes on to the end: all new, each change once', false, 'completed'],
    ['goes on to roll back: all old, each change once', true, 'rolled-back'],
  ] as const)('anywhere, and started again, %s', { timeout: MOST_MS }, async (_name, fails, outcome) => {
    const clean = await play(0, fails, null);
    expect(clean.end.outcome).toBe(outcome);
    const all = pointsOf(clean.end);
    const points = all.filter((point, index) =>
      ONLY === undefined ? index % STRIDE === FIRST : ONLY.split(',').includes(`${point.at}:${point.n}`),
    );
    const differing: string[] = [];
    const waiting = [...points];
    const lane = async (index: number): Promise<void> => {
      for (let point = waiting.shift(); point !== undefined; point = waiting.shift())
        differing.push(...judge(point, await play(index, fails, point), clean));
    };
    await Promise.all(Array.from({ length: LANES }, (_, index) => lane(index)));
    console.log(
      `${points.length} of ${all.length} kill points of a rollout that ${outcome} (every ${STRIDE}th from ${FIRST} on)`,
    );
    expect(differing).toEqual([]);
    enumerated += all.length;
  });

  it('has two hundred points at least where it can be killed', () => {
    expect(enumerated).toBeGreaterThanOrEqual(LEAST_POINTS);
  });
});

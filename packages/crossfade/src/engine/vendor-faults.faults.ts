import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { faultsOf, type CallSeen } from './fixtures/fault-plan.ts';
import { COURSES, faultyWalk, type Course, type FaultyWalkResult } from './fixtures/faulty-walk.ts';
import type { WalkReport, Work } from './fixtures/faulty-walks-process.ts';
import { startSmallCloud } from './fixtures/small-cloud.ts';

/*
 * The vendor fails: a walk without a fault finds every call that preparation, the Worker's and the DNS's cutover and a
 * full rollback make, and then each call goes wrong in each way, once. A walk must end all-new, with the very effects of
 * the walk without a fault, or all-old; never a mix, and nothing twice.
 */
const PROCESSES = 2;
const AT_ONCE = 6;
const LONGEST_MS = 15 * 60_000;
const FEWEST_FAULTS = 8;
/** One combination in so many: each call has eight or more, so none is left out. `npm run test:crashes` plays all. */
const STRIDE = process.env['CROSSFADE_KILL_POINTS'] === 'all' ? 1 : 7;
const FIRST = Number(process.env['CROSSFADE_FAULTS_FIRST'] ?? 0);

let server: DatabaseServer;
let folder: string;
let account: string;
const names = Array.from({ length: PROCESSES * AT_ONCE }, (_, index) => `walk_${index}`);

beforeAll(async () => {
  server = await startTemporaryDatabase(...names);
  folder = await mkdtemp(join(tmpdir(), 'crossfade-vendor-faults-'));
  account = join(folder, 'account');
  for (const name of names) {
    // One after the other: the databases share their roles.
    const cloud = await startSmallCloud({ databaseUrl: server.url(name) });
    if (name === names[0]) await cloud.copyAccount(account);
    await cloud.close();
  }
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Works in a process of its own. */
async function inProcess(work: Work): Promise<WalkReport[]> {
  const entry = fileURLToPath(new URL('fixtures/faulty-walks-process.ts', import.meta.url));
  const child = fork(entry, { execArgv: ['--disable-warning=DeprecationWarning'] });
  const reports: WalkReport[] = [];
  // Sent by the process above, which has its type.
  child.on('message', (report) => reports.push(report as WalkReport));
  child.send(work);
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`a process of walks ended with ${code}`);
  return reports;
}

it(
  'whatever call of whatever vendor fails in whatever way, the world ends all-new or all-old, and nothing is done twice',
  async () => {
    const databaseUrl = server.url(names[0] ?? '');
    const found = new Map<string, CallSeen>();
    const targets: Work['targets'][number][] = [];
    const withoutFault = (course: Course): Promise<FaultyWalkResult> =>
      faultyWalk({ databaseUrl, account, target: null, course });
    const clean = {
      preparation: await withoutFault('preparation'),
      cutover: await withoutFault('cutover'),
      rollback: await withoutFault('rollback'),
    };
    for (const course of COURSES) {
      expect(clean[course].outcome.outcome).toBe(course === 'rollback' ? 'rolled-back' : 'completed');
      for (const call of clean[course].calls.filter((one) => !found.has(one.id))) {
        found.set(call.id, call);
        targets.push(...faultsOf(call).map((fault) => ({ call: call.id, fault, course })));
      }
    }
    // To look into one of them: only what has these words in its call and fault.
    const only = process.env['CROSSFADE_FAULTS_ONLY'];
    const chosen = targets.filter((one, at) =>
      only === undefined ? at % STRIDE === FIRST : `${one.call} ${one.fault}`.includes(only),
    );

    const start = performance.now();
    const reports = await Promise.all(
      Array.from({ length: PROCESSES }, (_, index) =>
        inProcess({
          account,
          clean,
          databaseUrls: names.slice(index * AT_ONCE, (index + 1) * AT_ONCE).map((name) => server.url(name)),
          targets: chosen.filter((_target, at) => at % PROCESSES === index),
        }),
      ),
    ).then((all) => all.flat());
    const count = (outcome: string): number => reports.filter((one) => one.outcome === outcome).length;
    const seconds = Math.round((performance.now() - start) / 1000);
    console.log(
      `${found.size} calls, ${reports.length} of ${targets.length} combinations of call and fault in ${seconds} s ` +
        `(every ${STRIDE}th from ${FIRST} on): ` +
        `${count('completed')} completed, ${count('rolled-back')} rolled back, ${count('failed')} undone before the cutover`,
    );
    expect(reports).toHaveLength(chosen.length);
    expect(reports.filter((one) => one.problems.length > 0)).toEqual([]);
    for (const call of found.values()) {
      expect(faultsOf(call).length, call.id).toBeGreaterThanOrEqual(FEWEST_FAULTS);
    }
  },
  LONGEST_MS,
);

import { findDatabaseServer, startDatabaseServer } from '@crossfade/database-server';
import { attachWorld } from '@crossfade/local-cloud';
import { Pool } from 'pg';
import { describeMirror, mirrorStanding } from '../monitor/mirror-standing.ts';
import { productionAlerts } from '../monitor/production-alerts.ts';
import { rehearsalPlaces, type Places } from '../rehearsal/places.ts';
import { isAlive, readRunState, type RunState } from '../rehearsal/run-state.ts';
import { buildReport } from '../report/build-report.ts';
import { rolledBackSince } from '../report/phase-status.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import type { RolloutReport } from '../rollout/report-shapes.ts';
import { openJournal } from '../rollout/journal.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { printSummary } from './summary.ts';
import { driverOf } from './decide-command.ts';
import { nextOf } from './phase-commands.ts';
import { withJournal } from './rollout-journal.ts';
import { UserError } from './user-error.ts';

/** `crossfade status`: what the journal of the last rehearsal says; `--json` with the commands that make sense now. */
export async function statusCommand(flags: CommandFlags): Promise<number> {
  if (flags.env !== undefined || process.env['DATABASE_URL'] !== undefined) return rolloutStatus(flags);
  const places = await rehearsalPlaces(process.cwd());
  const state = await readRunState(places.state);
  if (state === null) {
    throw new UserError('CROSSFADE_NOTHING_TO_SHOW', 'no rehearsal was begun here yet', 'start one: npm start');
  }
  const events = await readJournal(places, state);
  if (events.length === 0) {
    throw new UserError(
      'CROSSFADE_NOTHING_TO_SHOW',
      `the rehearsal ${state.rollout} has written nothing to its journal yet`,
      'look again in some seconds',
    );
  }
  const report = buildReport(events);
  const now = standing(state, report, (await attachWorld(places.world)) !== null);
  if (flags.json === true) {
    const mirror = mirrorStanding(events);
    const head = { status: now.status, next: now.next, firing: productionAlerts(events), mirror };
    process.stdout.write(`${JSON.stringify({ ...head, ...report }, null, 2)}\n`);
    return EXIT.done;
  }
  process.stdout.write(`${report.rollout}: ${now.status}\n`);
  for (const { id, status } of report.phases) process.stdout.write(`  ${id.padEnd(12)} ${status}\n`);
  sayMirror(events);
  if (state.finished) printSummary(process.stdout, report, null);
  for (const command of now.next) process.stdout.write(`next: ${command}\n`);
  return EXIT.done;
}

/** What the journal of the rollout that is under way says, who drives it, and what makes sense now. */
async function rolloutStatus(flags: CommandFlags): Promise<number> {
  return withJournal(flags, async ({ pool, journal, rollout }) => {
    const events = await journal.read();
    const driver = await driverOf(pool, rollout);
    const next = driver === null ? nextOf(events) : ['crossfade hold', 'crossfade abort', 'crossfade dashboard'];
    const status = driver === null ? 'nobody drives it now' : `driven by ${driver}`;
    const started = events.some((event) => event.kind === 'rollout.started');
    const report = started ? buildReport(events) : null;
    const back = rolledBackSince(events);
    if (flags.json === true) {
      process.stdout.write(
        `${JSON.stringify({ rollout, status, next, mirror: mirrorStanding(events), ...report }, null, 2)}\n`,
      );
      return EXIT.done;
    }
    process.stdout.write(`${rollout}: ${status}\n`);
    for (const { id, status: state } of report?.phases ?? []) process.stdout.write(`  ${id.padEnd(12)} ${state}\n`);
    if (back !== null) process.stdout.write(`rolled back (${back.decided.data.kind}): ${back.decided.data.measure}\n`);
    sayMirror(events);
    for (const command of next) process.stdout.write(`next: ${command}\n`);
    return EXIT.done;
  });
}

function sayMirror(events: readonly JournalEvent[]): void {
  const mirror = mirrorStanding(events);
  if (mirror !== null) process.stdout.write(`  ${describeMirror(mirror)}\n`);
}

/** Where the rehearsal stands, and the commands that make sense there. */
function standing(state: RunState, report: RolloutReport, worldRuns: boolean): { status: string; next: string[] } {
  if (state.finished) return { status: report.outcome, next: ['npm start'] };
  if (isAlive(state.pid)) return { status: `running (process ${state.pid})`, next: ['npm run crossfade -- status'] };
  return { status: 'interrupted', next: worldRuns ? ['npm start -- --resume', 'npm start'] : ['npm start'] };
}

/** Reads from the engine's database: the one that runs, or one started for as long as it takes. */
async function readJournal(places: Places, state: RunState): Promise<JournalEvent[]> {
  const running = await findDatabaseServer(places.engine);
  const server = await startDatabaseServer({ folder: places.engine, password: state.signingSecret });
  try {
    const pool = new Pool({ connectionString: server.url('crossfade'), max: 1 });
    try {
      return await openJournal(pool, state.rollout, (value) => value).read();
    } finally {
      await pool.end();
    }
  } finally {
    if (running === null) await server.stop();
  }
}

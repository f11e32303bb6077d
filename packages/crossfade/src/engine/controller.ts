import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Pool } from 'pg';
import { startAnnouncer } from '../checks/team/announcements.ts';
import { configHash } from '../rollout/config-hash.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { createJournalTable, openJournal, type Journal } from '../rollout/journal.ts';
import type { PlannedPhase } from '../rollout/journal-event.ts';
import type { MirrorService, PhaseId, RolloutPlan, Sentinel } from '../rollout/plan.ts';
import { redactZip } from '../rollout/redacted-zip.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Providers } from '../providers/providers.ts';
import { runDurably } from './dbos-engine.ts';
import { createChangesUnderWay, guardProviders } from './guarded-providers.ts';
import { openOperatorSession, type Operator, type OperatorSession } from './operator-session.ts';
import { beginRun, stepsTaken, type Run } from './runs.ts';
import { walkRollout, type Walk, type WalkOutcome } from './walk.ts';

export interface ControllerOptions {
  readonly databaseUrl: string;
  readonly rollout: string;
  /** Who drives it, and by which command: its part of the rollout is begun, or gone on with. */
  readonly operator: Operator;
  readonly scenario: string | null;
  /** How a rehearsal's durations relate to the plan's, in words; `null` for the real thing. */
  readonly scale: string | null;
  readonly config: RolloutConfig;
  readonly providers: Providers;
  readonly plan: RolloutPlan;
  /** The whole rollout's plan, where `plan` is a part of it: steps of other parts can be taken back too. */
  readonly wholePlan?: RolloutPlan;
  readonly sentinel: Sentinel;
  /** Absent where nothing writes to R2. */
  readonly mirror?: MirrorService;
  readonly evidenceFolder: string;
  /** Fires when the operator interrupts. */
  readonly signal: AbortSignal;
}

export interface Controller {
  readonly journal: Journal;
  /** Phase id → title. */
  readonly titles: ReadonlyMap<string, string>;
  /** A context outside of any phase, for what runs beside them. */
  readonly context: RolloutContext;
  /** Which part of the rollout this is. */
  readonly part: Run;
  /** Hold, go on, abort: an operator's word, as the journal and the walk hear it. Answers with the event's id. */
  decide(decision: 'hold' | 'go' | 'abort', by: { as: string; note: string }): Promise<string>;
  /** Walks the plan to its outcome; throws only when the engine itself cannot go on. */
  run(): Promise<WalkOutcome>;
  /** Does something else than walking the plan (a rollback by hand), under the same lock and the same journal. */
  perform(work: (walk: Walk) => Promise<WalkOutcome>): Promise<WalkOutcome>;
  close(): Promise<void>;
}

function planned(plan: RolloutPlan): PlannedPhase[] {
  return plan.phases.map(({ id, title, plannedMs, deadlineMs, gate, parts }) => ({
    id,
    title,
    plannedMs,
    deadlineMs,
    gate: gate.map((check) => ({ id: check.id, title: check.title })),
    parts: parts.flatMap((part): PlannedPhase['parts'] => {
      if (part.kind === 'step') return [{ kind: 'step', id: part.step.id, title: part.step.title }];
      if (part.kind === 'observation')
        return [{ kind: 'observation', id: part.observation.id, title: part.observation.title }];
      return part.checks.map((check) => ({ kind: 'check', id: check.id, title: check.title }));
    }),
  }));
}

/** A change that was under way when a phase ended early is waited for so long, ms. */
const SETTLE_MS = 5000;

/**
 * Takes one rollout for this process, opens its journal, and stands ready to drive it.
 * @throws LockedError when somebody else drives it
 */
export async function openController(options: ControllerOptions): Promise<Controller> {
  const { config, rollout, evidenceFolder, plan } = options;
  const pool = new Pool({ connectionString: options.databaseUrl, max: 6 });
  // A connection that breaks while idle is made anew with the next query, which then tells its own error.
  pool.on('error', () => {});
  const redaction = createRedaction(secretsOf(config));
  const journal = openJournal(pool, rollout, redaction.json);
  let session: OperatorSession;
  let part: Run;
  try {
    await createJournalTable(pool);
    const begun = Promise.withResolvers<Run>();
    session = await openOperatorSession({
      databaseUrl: options.databaseUrl,
      rollout,
      operator: options.operator,
      async decidedAfter() {
        begun.resolve(await beginRun(journal, options.operator.command, options.operator.name));
        return (await begun.promise).since;
      },
    });
    part = await begun.promise;
  } catch (error) {
    await pool.end();
    throw error;
  }
  const signal = AbortSignal.any([options.signal, session.lost]);
  const changes = createChangesUnderWay();

  async function placeFor(path: string): Promise<string> {
    const target = join(evidenceFolder, path);
    await mkdir(dirname(target), { recursive: true });
    return target;
  }

  const contextFor = (phase: PhaseId | null, stop: AbortSignal): RolloutContext => {
    const own = AbortSignal.any([stop, signal]);
    const cheap = async (): Promise<void> => own.throwIfAborted();
    const strict = async (): Promise<void> => {
      own.throwIfAborted();
      await session.assertHeld();
      own.throwIfAborted();
    };
    return {
      rollout,
      config,
      providers: guardProviders(options.providers, { strict, cheap, ours: () => session.assertHeld() }, changes),
      signal: own,
      history: () => journal.read(),
      async record(entry) {
        // An interrupted step fails for no fault of its own: that is nothing to be kept.
        own.throwIfAborted();
        const { subject, key, ...event } = entry;
        const about = { phase, subject, key: key === undefined ? undefined : `${part.id}/${key}` };
        return (await journal.append(event, about)).id;
      },
      async keep(path, content) {
        const clean = (): string | Uint8Array => {
          if (typeof content === 'string') return redaction.text(content);
          return path.endsWith('.zip') ? redactZip(content, redaction.text) : content;
        };
        await writeFile(await placeFor(path), clean());
        return path;
      },
      placeFor,
    };
  };
  const context = contextFor(null, signal);

  async function perform(work: (walk: Walk) => Promise<WalkOutcome>): Promise<WalkOutcome> {
    if (part.resumed) await context.record({ kind: 'rollout.resumed', data: { pid: process.pid } });
    await journal.append(
      {
        kind: 'rollout.started',
        data: {
          scenario: options.scenario,
          configHash: configHash(config),
          scale: options.scale,
          plan: planned(options.wholePlan ?? plan),
        },
      },
      { phase: null, key: 'rollout/started' },
    );
    const earlier = (await journal.read()).filter((event) => event.seq < part.since);
    const announcer = startAnnouncer(context, journal, part.since);
    const outcome = await runDurably({
      databaseUrl: options.databaseUrl,
      run: `${rollout}/${part.id}`,
      signal,
      work: (durable) =>
        work({
          plan,
          durable: {
            async step(name, task) {
              await session.assertHeld();
              return durable.step(name, task);
            },
          },
          sentinel: options.sentinel,
          mirror: options.mirror,
          decisions: session.decisions,
          takenBefore: stepsTaken(options.wholePlan ?? plan, earlier),
          settle: () => changes.settled(SETTLE_MS),
          contextFor,
        }),
    }).finally(async () => {
      announcer.stop();
      await Promise.all([options.sentinel.stop(), options.mirror?.stop()]);
      // The process ends next. Of a change that was cut off nobody would know whether it was made.
      await changes.settled(SETTLE_MS);
    });
    await announcer.settled();
    const { command, attempt } = part;
    await context.record({ kind: 'run.finished', data: { command, attempt, ...outcome }, key: 'run.finished' });
    return outcome;
  }

  return {
    journal,
    titles: new Map(plan.phases.map((phase) => [phase.id, phase.title])),
    context,
    part,
    async decide(decision, { as, note }) {
      return (await journal.append({ kind: 'operator.decided', data: { decision, as, note } }, { phase: null })).id;
    },
    run: () => perform(walkRollout),
    perform,
    async close() {
      await session.release();
      await pool.end().catch((error: unknown) => {
        throw new Error(`the journal's connections did not close: ${errorText(error)}`);
      });
    },
  };
}

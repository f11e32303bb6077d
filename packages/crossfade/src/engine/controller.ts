import { mkdir, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { Pool } from 'pg';
import type { RolloutConfig } from '../rollout/config.ts';
import type { RolloutContext } from '../rollout/context.ts';
import { createJournalTable, openJournal, type Journal } from '../rollout/journal.ts';
import type { PlannedPhase } from '../rollout/journal-event.ts';
import type { PhaseId, RolloutPlan, Sentinel } from '../rollout/plan.ts';
import { redactZip } from '../rollout/redacted-zip.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Providers } from '../providers/providers.ts';
import { runDurably } from './dbos-engine.ts';
import { walkRollout, type WalkOutcome } from './walk.ts';

export interface ControllerOptions {
  readonly databaseUrl: string;
  readonly rollout: string;
  readonly resumed: boolean;
  readonly scenario: string | null;
  /** How a rehearsal's durations relate to the plan's, in words; `null` for the real thing. */
  readonly scale: string | null;
  readonly config: RolloutConfig;
  readonly providers: Providers;
  readonly plan: RolloutPlan;
  readonly sentinel: Sentinel;
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
  /** Walks the plan to its outcome; throws only when the engine itself cannot go on. */
  run(): Promise<WalkOutcome>;
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

/** Opens the journal of one rollout and stands ready to drive it. */
export async function openController(options: ControllerOptions): Promise<Controller> {
  const { config, providers, rollout, evidenceFolder } = options;
  const pool = new Pool({ connectionString: options.databaseUrl, max: 6 });
  // A connection that breaks while idle is made anew with the next query, which then tells its own error.
  pool.on('error', () => {});
  await createJournalTable(pool);
  const redaction = createRedaction(secretsOf(config));
  const journal = openJournal(pool, rollout, redaction.json);

  async function placeFor(path: string): Promise<string> {
    const target = join(evidenceFolder, path);
    await mkdir(dirname(target), { recursive: true });
    return target;
  }

  const contextFor = (phase: PhaseId | null, signal: AbortSignal): RolloutContext => ({
    rollout,
    config,
    providers,
    signal: AbortSignal.any([signal, options.signal]),
    history: () => journal.read(),
    async record(entry) {
      // An interrupted step fails for no fault of its own: that is nothing to be kept.
      options.signal.throwIfAborted();
      const { subject, key, ...event } = entry;
      return (await journal.append(event, { phase, subject, key })).id;
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
  });
  const context = contextFor(null, options.signal);

  return {
    journal,
    titles: new Map(options.plan.phases.map((phase) => [phase.id, phase.title])),
    context,
    async run() {
      if (options.resumed) await context.record({ kind: 'rollout.resumed', data: { pid: process.pid } });
      await context.record({
        kind: 'rollout.started',
        data: {
          scenario: options.scenario,
          configHash: createHash('sha256')
            .update(redaction.text(JSON.stringify(config)))
            .digest('hex'),
          scale: options.scale,
          plan: planned(options.plan),
        },
        key: 'rollout/started',
      });
      const outcome = await runDurably({
        databaseUrl: options.databaseUrl,
        rollout,
        signal: options.signal,
        work: (durable) => walkRollout({ plan: options.plan, durable, sentinel: options.sentinel, contextFor }),
      }).finally(() => options.sentinel.stop());
      return outcome;
    },
    async close() {
      await pool.end().catch((error: unknown) => {
        throw new Error(`the journal's connections did not close: ${errorText(error)}`);
      });
    },
  };
}

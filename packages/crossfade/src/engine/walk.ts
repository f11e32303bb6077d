import { errorText } from '../rollout/error-text.ts';
import { toJson, type Json } from '../rollout/json.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type {
  Check,
  MirrorService,
  Part,
  Phase,
  PhaseId,
  RolloutPlan,
  Sentinel,
  Step,
  Trouble,
} from '../rollout/plan.ts';
import type { Verdict } from '../rollout/verdict.ts';
import type { Decisions } from './decisions.ts';
import type { Durable } from './durable.ts';
import { startObservedDeadline } from './observed-deadline.ts';
import { rollBack, compensate } from './roll-back.ts';

export interface Walk {
  readonly plan: RolloutPlan;
  readonly durable: Durable;
  readonly sentinel: Sentinel;
  /** Absent where nothing writes to R2. */
  readonly mirror?: MirrorService | undefined;
  readonly decisions: Decisions;
  /** Steps that earlier commands of this rollout took, oldest first: a rollback undoes these too. */
  readonly takenBefore: readonly StepTaken[];
  /** Waits, within bounds, for changes that were under way when a phase was ended early. */
  settle(): Promise<void>;
  /** A context whose events carry `phase`; its signal fires when `stop` does. */
  contextFor(phase: PhaseId, stop: AbortSignal): RolloutContext;
}

export type WalkOutcome = { outcome: 'completed' | 'rolled-back' | 'failed'; reason: string | null };

/** A step whose `look` was recorded: it may have changed the world, so it can be compensated. */
export interface StepTaken {
  readonly phase: PhaseId;
  readonly step: Step;
  readonly before: Json;
}

interface Failure {
  readonly ok: false;
  readonly reason: string;
  readonly trouble: Trouble | null;
  /** The gate did not open: nothing of this phase was begun. */
  readonly refused?: true;
}
type PartResult = { readonly ok: true } | Failure;

/**
 * Walks the phases in order. Everything that touches the world goes through `durable.step`, so that the
 * same walk, started again after a `kill -9`, returns at once through what was finished and goes on with the rest.
 */
export async function walkRollout(walk: Walk): Promise<WalkOutcome> {
  const taken: StepTaken[] = [...walk.takenBefore];
  let previous: Phase | null = null;
  for (const phase of walk.plan.phases) {
    const held = await holdBefore(walk, phase, previous);
    // Held before this phase: what there is to undo is the one before.
    if (!held.ok) return endEarly(walk, previous ?? phase, held, taken);
    const startedAt = await walk.durable.step(`${phase.id}/start`, async () => {
      await freshContext(walk, phase.id).record({
        kind: 'phase.started',
        data: { deadlineMs: phase.deadlineMs },
        key: `${phase.id}/started`,
      });
      return Date.now();
    });
    const result = await walkPhase(walk, phase, taken);
    await walk.durable.step(`${phase.id}/finish`, async () => {
      const seconds = (Date.now() - startedAt) / 1000;
      await freshContext(walk, phase.id).record({
        kind: 'phase.finished',
        data: { status: result.ok ? 'passed' : 'failed', seconds, reason: result.ok ? null : result.reason },
        key: `${phase.id}/finished`,
      });
    });
    if (!result.ok) return endEarly(walk, phase, result, taken);
    previous = phase;
  }
  return { outcome: 'completed', reason: null };
}

/** A context that nothing stops. */
const freshContext = (walk: Walk, phase: PhaseId): RolloutContext =>
  walk.contextFor(phase, new AbortController().signal);

/** Takes back what a phase that did not end well left behind; before production is touched, only its own steps. */
async function endEarly(
  walk: Walk,
  phase: Phase,
  { reason, trouble, refused }: Failure,
  taken: readonly StepTaken[],
): Promise<WalkOutcome> {
  await walk.settle();
  const scope = phase.rollback === null ? [phase.id] : (walk.plan.rollbacks[phase.rollback]?.scope ?? []);
  // A gate that stayed shut before this run changed anything leaves nothing to take back: what an earlier one completed
  // serves production.
  const changed = taken.some((step) => scope.includes(step.phase) && !walk.takenBefore.includes(step));
  if (refused === true && !changed) return { outcome: 'failed', reason };
  if (phase.rollback === null) return undoPhase(walk, phase, taken, reason, trouble !== null);
  const since = new Date().toISOString();
  return rollBack(
    walk,
    phase.id,
    phase.rollback,
    trouble ?? { measure: reason, measured: null, expected: null, since },
    taken,
  );
}

async function undoPhase(
  walk: Walk,
  phase: Phase,
  taken: readonly StepTaken[],
  reason: string,
  aborted: boolean,
): Promise<WalkOutcome> {
  let complete = true;
  // Back to where this run began: what an earlier one completed stands, and a cutover may rest on it.
  const own = taken.filter((one) => one.phase === phase.id && !walk.takenBefore.includes(one));
  for (const step of own.toReversed()) complete = (await compensate(walk, step)) && complete;
  if (!complete) return { outcome: 'failed', reason: `rollback incomplete after: ${reason}` };
  return { outcome: aborted ? 'rolled-back' : 'failed', reason };
}

/** Stands still before a phase for as long as an operator says so; the sentinel watches on meanwhile. */
async function holdBefore(walk: Walk, phase: Phase, previous: Phase | null): Promise<PartResult> {
  const { decisions, sentinel } = walk;
  return walk.durable.step(`${phase.id}/held`, async (): Promise<PartResult> => {
    const by = decisions.heldBy();
    if (by !== null)
      await freshContext(walk, phase.id).record({ kind: 'phase.held', data: { title: phase.title, by } });
    const interruptions = [decisions.aborted, ...((previous?.rollback ?? null) === null ? [] : [sentinel.trouble])];
    return Promise.race([decisions.untilGo().then((): PartResult => ({ ok: true })), ...interruptions.map(inTrouble)]);
  });
}

const inTrouble = async (seen: Promise<Trouble>): Promise<PartResult> => {
  const trouble = await seen;
  return { ok: false, reason: trouble.measure, trouble };
};

async function walkPhase(walk: Walk, phase: Phase, taken: StepTaken[]): Promise<PartResult> {
  const stop = new AbortController();
  const context = walk.contextFor(phase.id, stop.signal);
  const guarded = phase.rollback !== null;
  // It watches on when this phase is over.
  if (guarded) walk.sentinel.start(freshContext(walk, phase.id));
  if (phase.mirrors === true) walk.mirror?.start(freshContext(walk, phase.id));
  // The deadline counts the time that this process observed: a controller that was down, or asleep, for an hour has
  // not seen the phase take an hour.
  const deadline = startObservedDeadline(phase.deadlineMs);
  let ended: PartResult | null = null;
  const late = `${phase.title}: not done within ${phase.deadlineMs / 1000} s`;
  const interruptions = [
    deadline.over.then((): PartResult => ({ ok: false, reason: late, trouble: null })),
    inTrouble(walk.decisions.aborted),
    ...(guarded ? [inTrouble(walk.sentinel.trouble)] : []),
  ].map((interruption) =>
    interruption.then((result) => {
      ended ??= result;
      // At once: what runs must begin nothing more.
      stop.abort(new Error('the phase is over'));
      return result;
    }),
  );
  const inTime = (work: Promise<PartResult>): Promise<PartResult> => Promise.race([work, ...interruptions]);
  try {
    if (phase.gate.length > 0) {
      const gate = await openGate(walk, phase, context);
      if (!gate.ok) return gate;
    }
    for (const part of phase.parts) {
      const result = await walkPart(walk, phase, part, context, taken, inTime);
      if (!result.ok) return result;
    }
    return { ok: true };
  } catch (error) {
    // Interrupted where nothing races it, in a gate or a look: what comes next there is refused, and this is why.
    return walk.durable.step(`${phase.id}/interrupted`, async () => {
      if (ended === null) throw error;
      return ended;
    });
  } finally {
    deadline.stop();
    stop.abort(new Error('the phase is over'));
  }
}

async function openGate(walk: Walk, phase: Phase, context: RolloutContext): Promise<PartResult> {
  const verdicts = await runChecks(walk, phase.id, phase.gate, context, 'gate');
  const failed = phase.gate.filter((_, index) => verdicts[index]?.status !== 'pass').map((check) => check.id);
  await walk.durable.step(`${phase.id}/gate`, () =>
    context.record({
      kind: 'gate.decided',
      data: { status: failed.length === 0 ? 'open' : 'closed', failed },
      subject: phase.id,
      key: `${phase.id}/gate`,
    }),
  );
  if (failed.length === 0) return { ok: true };
  return {
    ok: false,
    reason: `the gate of ${phase.title} does not hold: ${describe(phase.gate, verdicts)}`,
    trouble: null,
    refused: true,
  };
}

function describe(checks: readonly Check[], verdicts: readonly Verdict[]): string {
  return checks
    .flatMap((check, index) => {
      const verdict = verdicts[index];
      if (verdict === undefined || verdict.status === 'pass') return [];
      const mend = verdict.mend === undefined ? '' : ` (to mend it: ${verdict.mend})`;
      return [`${check.title}: ${verdict.summary}${mend}`];
    })
    .join('; ');
}

/** Runs checks side by side; an error thrown by a check is a failed verdict that says so. */
async function runChecks(
  walk: Walk,
  phase: PhaseId,
  checks: readonly Check[],
  context: RolloutContext,
  place: string,
): Promise<Verdict[]> {
  return Promise.all(
    checks.map((check) =>
      walk.durable.step(`${phase}/${place}/${check.id}`, async () => {
        const start = performance.now();
        const verdict = await check.run(context).catch((error: unknown): Verdict => ({
          status: 'fail',
          summary: errorText(error),
          measured: null,
          expected: 'an answer',
          evidence: [],
        }));
        const ms = Math.round(performance.now() - start);
        const data = { title: check.title, proves: check.proves, ms, verdict };
        await context.record({ kind: 'check.verdict', data, subject: check.id, key: `${phase}/${place}/${check.id}` });
        return verdict;
      }),
    ),
  );
}

type InTime = (work: Promise<PartResult>) => Promise<PartResult>;

async function walkPart(
  walk: Walk,
  phase: Phase,
  part: Part,
  context: RolloutContext,
  taken: StepTaken[],
  inTime: InTime,
): Promise<PartResult> {
  switch (part.kind) {
    case 'step':
      return walkStep(walk, phase, part.step, context, taken, inTime);
    case 'checks':
      return walk.durable.step(`${phase.id}/${part.id}/all`, () =>
        inTime(
          (async (): Promise<PartResult> => {
            const verdicts = await runChecks({ ...walk, durable: inside }, phase.id, part.checks, context, part.id);
            const failing = verdicts.some((verdict) => verdict.status === 'fail');
            if (!failing || !part.mustPass) return { ok: true };
            return { ok: false, reason: describe(part.checks, verdicts), trouble: null };
          })(),
        ),
      );
    case 'observation': {
      const { observation } = part;
      const name = `${phase.id}/${observation.id}`;
      const since = await walk.durable.step(`${name}/since`, async () => Date.now());
      return walk.durable.step(name, () =>
        inTime(
          (async (): Promise<PartResult> => {
            const start = performance.now();
            const left = Math.max(observation.durationMs / 10, observation.durationMs - (Date.now() - since));
            const verdict = await observation.watch(context, left);
            const ms = Math.round(performance.now() - start);
            const data = { title: observation.title, proves: observation.proves, ms, verdict };
            await context.record({ kind: 'check.verdict', data, subject: observation.id, key: name });
            return verdict.status === 'pass' ? { ok: true } : { ok: false, reason: verdict.summary, trouble: null };
          })(),
        ),
      );
    }
  }
}

/** Checks inside a guarded part are one durable step together: its race decides, so they are not steps of their own. */
const inside: Durable = { step: (_name, work) => work() };

async function walkStep(
  walk: Walk,
  phase: Phase,
  step: Step,
  context: RolloutContext,
  taken: StepTaken[],
  inTime: InTime,
): Promise<PartResult> {
  const name = `${phase.id}/${step.id}`;
  const failure = async (error: unknown): Promise<PartResult> => {
    const text = errorText(error);
    await context.record({ kind: 'step.failed', data: { title: step.title, error: text }, subject: step.id });
    return { ok: false, reason: `${step.title}: ${text}`, trouble: null };
  };
  const looked = await walk.durable.step(`${name}/look`, async (): Promise<{ before: Json } | PartResult> => {
    try {
      const before = toJson(await step.look(context));
      const data = { title: step.title, before };
      await context.record({ kind: 'step.looked', data, subject: step.id, key: `${name}/looked` });
      return { before };
    } catch (error) {
      return failure(error);
    }
  });
  if ('ok' in looked) return looked;
  taken.push({ phase: phase.id, step, before: looked.before });
  const ran = await walk.durable.step(`${name}/run`, () =>
    inTime(
      (async (): Promise<PartResult> => {
        try {
          const start = performance.now();
          await context.record({
            kind: 'step.started',
            data: { title: step.title },
            subject: step.id,
            key: `${name}/started`,
          });
          const result = toJson(await step.run(context, looked.before));
          const data = { title: step.title, ms: Math.round(performance.now() - start), result };
          await context.record({ kind: 'step.finished', data, subject: step.id, key: `${name}/finished` });
          return { ok: true };
        } catch (error) {
          return failure(error);
        }
      })(),
    ),
  );
  if (!ran.ok) return ran;
  return walk.durable.step(`${name}/verify`, () =>
    inTime(
      (async (): Promise<PartResult> => {
        try {
          const start = performance.now();
          const verdict = await step.verify(context, looked.before);
          const ms = Math.round(performance.now() - start);
          const data = { title: step.title, proves: step.proves, ms, verdict };
          await context.record({ kind: 'check.verdict', data, subject: step.id, key: `${name}/verified` });
          return verdict.status === 'pass'
            ? { ok: true }
            : { ok: false, reason: `${step.title}: ${verdict.summary}`, trouble: null };
        } catch (error) {
          return failure(error);
        }
      })(),
    ),
  );
}

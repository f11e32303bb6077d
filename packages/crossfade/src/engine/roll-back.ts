import { errorText } from '../rollout/error-text.ts';
import { toJson } from '../rollout/json.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { PhaseId, RollbackKind, RollbackStep, Trouble } from '../rollout/plan.ts';
import type { StepTaken, Walk, WalkOutcome } from './walk.ts';

/** Attempts at one action of a rollback before a person is told how to do it by hand. */
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;

/**
 * Takes production back: first the rollback's own actions in their order (writers, then the mirror, then
 * readers), then the compensations of what was done, in reverse. An action that will not work is retried,
 * then named with the commands for a person, and the others go on.
 */
export async function rollBack(
  walk: Walk,
  phase: PhaseId,
  kind: RollbackKind,
  trouble: Trouble,
  taken: readonly StepTaken[],
): Promise<WalkOutcome> {
  const rollback = walk.plan.rollbacks[kind];
  if (rollback === undefined) throw new Error(`the plan has no rollback of kind ${kind}`);
  const context = walk.contextFor(phase, new AbortController().signal);
  const decidedAt = await walk.durable.step('rollback/decide', async () => {
    await context.record({
      kind: 'rollback.decided',
      data: {
        kind,
        measure: trouble.measure,
        measured: trouble.measured,
        expected: trouble.expected,
        troubleSince: trouble.since,
        detectedMs: Math.max(0, Date.now() - Date.parse(trouble.since)),
      },
      key: 'rollback/decided',
    });
    return Date.now();
  });
  let complete = true;
  // Writers do not wait for it; what drains the queue comes after them.
  const mirrorStopped = walk.mirror?.stop();
  for (const step of rollback.steps) {
    complete = (await act(walk, context, step)) && complete;
    await mirrorStopped;
  }
  for (const step of taken.filter((one) => rollback.scope.includes(one.phase)).toReversed()) {
    complete = (await compensate(walk, step)) && complete;
  }
  await walk.durable.step('rollback/prove', async () => {
    const tookMs = Math.max(0, Date.now() - decidedAt);
    const proof = await rollback.prove(context, trouble.since);
    const { budgetMs } = rollback;
    await context.record({
      kind: 'rollback.finished',
      data: { kind, complete, tookMs, budgetMs, ...proof },
      key: 'rollback/finished',
    });
  });
  return complete
    ? { outcome: 'rolled-back', reason: trouble.measure }
    : { outcome: 'failed', reason: `rollback incomplete after: ${trouble.measure}` };
}

/** Runs the compensation of one step that was taken; answers whether the world shows the state from before. */
export async function compensate(walk: Walk, { phase, step, before }: StepTaken): Promise<boolean> {
  const context = walk.contextFor(phase, new AbortController().signal);
  return act(
    walk,
    context,
    {
      id: step.id,
      title: step.title,
      byHand: async () =>
        step.byHand?.(context, before) ?? `put back what was before ${step.id}: ${JSON.stringify(before)}`,
      run: () => step.compensate(context, before),
    },
    `${phase}/`,
  );
}

/** A compensation looks at the world itself before it answers; a rollback's own action is verified apart. */
type Action = Omit<RollbackStep, 'verify'> & Partial<Pick<RollbackStep, 'verify'>>;

function act(walk: Walk, context: RolloutContext, step: Action, prefix = 'rollback/'): Promise<boolean> {
  const name = `${prefix}${step.id}/compensate`;
  return walk.durable.step(name, async () => {
    const { title } = step;
    await context.record({ kind: 'compensation.started', data: { title }, subject: step.id, key: `${name}/started` });
    let lastError = '';
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        const start = performance.now();
        const result = toJson(await step.run(context));
        const verdict = await step.verify?.(context);
        const ms = Math.round(performance.now() - start);
        if (verdict !== undefined) {
          const data = { title, proves: [], ms, verdict };
          await context.record({ kind: 'check.verdict', data, subject: step.id, key: `${name}/verified/${attempt}` });
          if (verdict.status !== 'pass') throw new Error(verdict.summary);
        }
        await context.record({
          kind: 'compensation.finished',
          data: { title, ms, result },
          subject: step.id,
          key: `${name}/finished`,
        });
        return true;
      } catch (error) {
        lastError = errorText(error);
        if (attempt < ATTEMPTS)
          await new Promise((resolve) => setTimeout(resolve, FIRST_PAUSE_MS * 2 ** (attempt - 1)));
      }
    }
    const data = { title, error: lastError, byHand: await step.byHand(context) };
    await context.record({ kind: 'compensation.failed', data, subject: step.id, key: `${name}/failed` });
    return false;
  });
}

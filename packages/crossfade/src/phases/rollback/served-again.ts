import type { RolloutContext } from '../../rollout/context.ts';
import type { RollbackProof, RollbackStep } from '../../rollout/plan.ts';
import { until } from '../../rollout/until.ts';
import { verdict } from '../../rollout/verdict.ts';
import { readAsPublic } from './legacy-readers.ts';
import { countLost } from './lost-uploads.ts';

/** The audience counts as served again after so long without a failure, ms. */
const CLEAN_MS = 3000;
const SERVED_MS = 60_000;

interface Served {
  readonly requests: number;
  readonly failed: number;
  readonly fromEdge: number | null;
  /** The first failure, where we ask ourselves. */
  readonly first: string | null;
}

/** What the public got in the last whole seconds; where nobody outside counts it, what we get as the public. */
async function lastSeconds(context: RolloutContext): Promise<Served> {
  const { audience } = context.providers;
  if (audience === null) return readAsPublic(context);
  const now = Date.now();
  const seconds = (await audience.stats()).seconds.filter((one) => Date.parse(one.at) >= now - CLEAN_MS - 1000);
  const sum = (read: (one: (typeof seconds)[number]) => number): number =>
    seconds.reduce((total, one) => total + read(one), 0);
  return {
    requests: sum((one) => one.legacy + one.edge),
    failed: sum((one) => one.failed),
    fromEdge: sum((one) => one.edge),
    first: null,
  };
}

/** Last of all: every listener is served again, by legacy alone, for a while without a failure; the alerts end with it. */
export function servedAgain(): RollbackStep {
  return {
    id: 'rollback.served',
    title: 'Every listener is served from legacy again',
    byHand: async () => 'npm run crossfade -- status   # who still fails, and on which side',
    async run(context) {
      const { reading, ms } = await until(
        () => lastSeconds(context),
        ({ requests, failed, fromEdge }) => requests > 0 && failed === 0 && (fromEdge ?? 0) === 0,
        { timeoutMs: SERVED_MS, everyMs: 250, signal: context.signal },
      );
      return { ...reading, ms };
    },
    async verify(context) {
      const { requests, failed, fromEdge, first } = await lastSeconds(context);
      const served = requests > 0 && failed === 0 && (fromEdge ?? 0) === 0;
      if (served) await resolveAlerts(context);
      return verdict(served, {
        summary: `${requests} requests in the last ${CLEAN_MS / 1000} s, ${failed} failed, ${fromEdge ?? 'unknown how many'} still at the edge${first === null ? '' : `; ${first}`}`,
        measured: { requests, failed, fromEdge },
        expected: { failed: 0, fromEdge: 0 },
      });
    },
  };
}

/** Alerts whose last word is that they fired. */
async function resolveAlerts(context: RolloutContext): Promise<void> {
  const firing = new Map<string, number>();
  for (const event of await context.history()) {
    if (event.kind === 'alert.fired') firing.set(event.data.rule, event.seq);
    if (event.kind === 'alert.resolved') firing.delete(event.data.rule);
  }
  for (const [rule, seq] of firing)
    await context.record({
      kind: 'alert.resolved',
      data: { rule, measured: { failed: 0 } },
      subject: rule,
      key: `alert/${rule}/${seq}/resolved`,
    });
}

export async function prove(context: RolloutContext, troubleSince: string): Promise<RollbackProof> {
  const stats = await context.providers.audience?.stats();
  const last = stats?.lastFailureAt ?? troubleSince;
  return {
    // From the first sign of trouble to the last request that failed; nothing where none did.
    recoveredMs: stats === undefined ? null : Math.max(0, Date.parse(last) - Date.parse(troubleSince)),
    ...(await countLost(context, troubleSince)),
  };
}

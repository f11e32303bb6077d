import { writesKeptCheck } from '../../checks/writes/writes-kept-check.ts';
import { observeProduction } from '../../monitor/observation.ts';
import { ROLLS_BACK } from '../../monitor/trouble.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check, Observation, Phase, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { lateUploadsStep } from './late-uploads-step.ts';

type Subdomain = { enabled: boolean; previewsEnabled: boolean };

/** Production is reached by its own name only: the workers.dev address and the previews are closed. */
function closePreviewsStep(): Step<Subdomain | null> {
  return {
    id: 'watch.closePreviews',
    title: 'workers.dev address of production closed',
    proves: [],
    look: ({ config, providers }) => providers.cloudflare.getSubdomain(config.environments.production.worker.name),
    async run({ config, providers }) {
      const { name } = config.environments.production.worker;
      const state = await providers.cloudflare.getSubdomain(name);
      if (state !== null && !state.enabled && !state.previewsEnabled) return { already: true };
      await providers.cloudflare.setSubdomain(name, { enabled: false, previewsEnabled: false });
      return { already: false };
    },
    async verify({ config, providers }) {
      const state = await providers.cloudflare.getSubdomain(config.environments.production.worker.name);
      return verdict(state !== null && !state.enabled && !state.previewsEnabled, {
        summary:
          state === null
            ? 'the Worker does not exist'
            : `workers.dev ${state.enabled ? 'open' : 'closed'}, previews ${state.previewsEnabled ? 'open' : 'closed'}`,
        measured: state,
        expected: { enabled: false, previewsEnabled: false },
      });
    },
    async compensate({ config, providers }, before) {
      if (before === null) return { already: true };
      await providers.cloudflare.setSubdomain(config.environments.production.worker.name, before);
      return before;
    },
  };
}

/** An attempt that was rolled back has had its alerts; this is about the one that stayed. */
async function criticalSinceRollback(context: RolloutContext): Promise<string[]> {
  const history = await context.history();
  const since = history.findLast((event) => event.kind === 'rollback.finished')?.seq ?? 0;
  return history.flatMap((event) =>
    event.kind === 'alert.fired' && event.data.severity === 'critical' && event.seq > since ? [event.data.rule] : [],
  );
}

/** No critical alert fired since production has traffic. */
function noCriticalAlertCheck(): Check {
  return {
    id: 'watch.noCriticalAlert',
    title: 'No critical alert fired',
    proves: ['success.noCriticalIssues'],
    async run(context) {
      const history = await context.history();
      const observed = history.some(
        (event) =>
          event.kind === 'check.verdict' &&
          event.subject === 'watch.observation' &&
          event.data.verdict.status === 'pass',
      );
      const fired = await criticalSinceRollback(context);
      return verdict(observed && fired.length === 0, {
        summary: `${fired.length} critical alerts, the watch ${observed ? 'was kept to its end' : 'was not kept'}`,
        measured: { observed, critical: fired },
        expected: { observed: true, critical: [] },
      });
    },
  };
}

/** Nothing was seen after which production should not stay; also where an earlier life of the controller saw it. */
function noTroubleCheck(): Check {
  return {
    id: 'watch.noTrouble',
    title: 'Nothing was seen that rolls back',
    proves: [],
    async run(context) {
      const fired = (await criticalSinceRollback(context)).filter((rule) => ROLLS_BACK.has(rule));
      return verdict(fired.length === 0, {
        summary: fired.length === 0 ? 'nothing was seen' : `${fired.join(', ')} fired`,
        measured: fired,
        expected: [],
      });
    },
  };
}

/** Nobody failed: not one request of the whole audience, from the first staging check to the end of the watch. */
function zeroDowntimeCheck(): Check {
  return {
    id: 'watch.zeroDowntime',
    title: 'Not one failed request among all',
    proves: ['success.zeroDowntime'],
    async run(context) {
      const stats = await context.providers.audience?.stats();
      if (stats === undefined)
        return {
          status: 'skipped',
          summary: 'nobody outside counts requests',
          measured: null,
          expected: null,
          evidence: [],
        };
      return verdict(stats.requests > 0 && stats.failed === 0, {
        summary: `${stats.failed} of ${stats.requests} requests failed; the longest time without an answer was ${stats.longestGapMs} ms`,
        measured: {
          requests: stats.requests,
          failed: stats.failed,
          longestGapMs: stats.longestGapMs,
          reasons: stats.reasons.map((reason) => ({ ...reason })),
        },
        expected: { failed: 0 },
      });
    },
  };
}

/** A day after the cutover (scaled in a rehearsal): production is watched with the rollback at hand. */
export function watchPhase(options: { plannedMs: number; durationMs: number }): Phase {
  const observation: Observation = {
    id: 'watch.observation',
    title: 'Production watched for a day',
    proves: [],
    durationMs: options.durationMs,
    watch: (context, forMs) => observeProduction(context, forMs),
  };
  return {
    id: 'watch',
    title: 'Watch',
    plannedMs: options.plannedMs,
    deadlineMs: options.durationMs * 2 + 60_000,
    gate: [],
    rollback: 'full',
    mirrors: true,
    parts: [
      { kind: 'step', step: closePreviewsStep() },
      { kind: 'step', step: lateUploadsStep() },
      { kind: 'observation', observation },
      { kind: 'checks', id: 'verdict', mustPass: true, checks: [noTroubleCheck(), writesKeptCheck()] },
      { kind: 'checks', id: 'downtime', mustPass: false, checks: [noCriticalAlertCheck(), zeroDowntimeCheck()] },
    ],
  };
}

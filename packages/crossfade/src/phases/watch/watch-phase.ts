import { writesKeptCheck } from '../../checks/writes/writes-kept-check.ts';
import { observeProduction } from '../../monitor/observation.ts';
import type { Check, Observation, Phase, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

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
      // An attempt that was rolled back has had its alerts; this is about the one that stayed.
      const since = history.findLast((event) => event.kind === 'rollback.finished')?.seq ?? 0;
      const fired = history.filter(
        (event) => event.kind === 'alert.fired' && event.data.severity === 'critical' && event.seq > since,
      );
      return verdict(observed && fired.length === 0, {
        summary: `${fired.length} critical alerts, the watch ${observed ? 'was kept to its end' : 'was not kept'}`,
        measured: { observed, critical: fired.map((event) => event.subject) },
        expected: { observed: true, critical: [] },
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
      { kind: 'observation', observation },
      { kind: 'checks', id: 'verdict', mustPass: true, checks: [noCriticalAlertCheck(), writesKeptCheck()] },
      { kind: 'checks', id: 'downtime', mustPass: false, checks: [zeroDowntimeCheck()] },
    ],
  };
}

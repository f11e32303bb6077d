import { pause } from '../rollout/pause.ts';
import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Sentinel, Trouble } from '../rollout/plan.ts';
import { openAlertBook, type AlertBook } from './alerts.ts';
import { burnRules, isHot, judgeBurn, type Budget, type BurnRule } from './burn-rate.ts';
import { startCanary, type Canary } from './canary.ts';
import { createEdgeWatch, type EdgeWatch, type RuleState } from './edge-watch.ts';
import { startUsageWatch } from './usage-watch.ts';
import { isSlow, judgeSlowness, type AlertRule, type Finding } from './trouble.ts';

const LOOK_EVERY_MS = 500;

/** What is being looked at, and by which rules. */
interface Watched {
  readonly context: RolloutContext;
  readonly rules: readonly BurnRule[];
  readonly budget: Budget;
  readonly canary: Canary;
  readonly edge: EdgeWatch;
  readonly alerts: AlertBook;
}

/**
 * Watches production from the first deployment to the end of the watch, from two sides: what the edge counted
 * (the vendor's analytics) and what a canary outside gets by signed URL. The first that is in trouble ends it.
 */
export function createSentinel(): Sentinel {
  let resolveTrouble: (trouble: Trouble) => void = () => {};
  const trouble = new Promise<Trouble>((resolve) => {
    resolveTrouble = resolve;
  });
  const over = new AbortController();
  let running: Promise<void> | null = null;

  async function watch(context: RolloutContext): Promise<void> {
    const { config, providers } = context;
    const { silenceMs, minimumRequests, minimumFailed } = config.trouble;
    const host = new URL(config.environments.production.worker.mediaOrigin).hostname;
    const rules = burnRules(config);
    const budget = { errorRate: config.targets.errorRate, minimumRequests, minimumFailed };
    const alerts = openAlertBook(context);
    const ended = new AbortController();
    const broken: unknown[] = [];
    const end = (finding: Finding): void => {
      if (ended.signal.aborted || over.signal.aborted) return;
      // First of all: the rollback does not wait for anybody to be told of it.
      resolveTrouble(finding.trouble);
      alerts.fire(finding.rule, finding.trouble, 'Rolling back.');
      ended.abort();
    };
    const ask = async (since: number, until: number) => providers.cloudflare.httpStatuses(host, since, until);
    const edge = createEdgeWatch(ask, rules, budget, silenceMs, Date.now());
    const canary = startCanary(context, rules, end);
    const usage = startUsageWatch(context, alerts);
    const watched = { context, rules, budget, canary, edge, alerts };
    const stop = AbortSignal.any([over.signal, ended.signal]);
    let looked = Date.now();
    try {
      while (!stop.aborted) {
        const now = Date.now();
        // After a gap in our own clock (a machine that slept, a process that was stopped) what we know is old, and
        // what we missed we have not observed: all of it is collected anew. A shorter gap cannot make a silence.
        if (now - looked > silenceMs / 2 || now < looked) {
          edge.forget(now);
          canary.forget(now);
        }
        looked = now;
        canary.settle(now);
        edge.look(now).catch((error: unknown) => broken.push(error));
        const finding = judge(watched, now);
        if (finding !== null) end(finding);
        await pause(LOOK_EVERY_MS, stop);
        if (broken.length > 0) throw broken[0];
      }
    } finally {
      await canary.stop();
      await usage.stop();
      await alerts.settled();
    }
  }

  return {
    trouble,
    start(context) {
      // A watch that cannot watch is trouble itself: nobody would see production fail.
      running ??= watch(context).catch((error: unknown) => {
        if (over.signal.aborted) return;
        const at = new Date().toISOString();
        resolveTrouble({
          measure: `the sentinel could not watch: ${errorText(error)}`,
          measured: null,
          expected: 'samples',
          since: at,
        });
      });
    },
    async stop() {
      over.abort();
      await running;
    },
  };
}

/** What the newest look says: the first trouble, if any; warnings fire and resolve on the way. */
function judge(watched: Watched, now: number): Finding | null {
  const { edge, canary, rules, alerts } = watched;
  const states = [...edge.states(), ...rules.map((rule) => canaryState(watched, rule, now))];
  for (const { rule, trouble } of states) {
    if (trouble !== null && rule.action === 'roll back') return { rule: 'highErrorRate', trouble };
  }
  const slow = slowness(watched, 'rollBackMs', now);
  if (slow.trouble !== null) return { rule: 'tooSlow', trouble: slow.trouble };
  const silence = edge.silence(now) ?? canary.silence(now);
  if (silence !== null) return { rule: 'noData', trouble: silence };
  const warnings = states.filter(({ rule }) => rule.action === 'warn');
  warn(alerts, 'lowSuccessRate', warnings);
  warn(alerts, 'highResponseTime', [slowness(watched, 'warnMs', now)]);
  return null;
}

function canaryState({ canary, budget }: Watched, rule: BurnRule, now: number): RuleState {
  const windows = { long: canary.reads(rule.longMs, now), short: canary.reads(rule.shortMs, now) };
  return {
    rule,
    hot: windows.short.requests === 0 ? null : isHot(windows.short, rule, budget),
    trouble: judgeBurn("of the canary's signed reads", rule, windows, budget, now),
  };
}

function slowness(
  { canary, rules, context }: Watched,
  limit: 'warnMs' | 'rollBackMs',
  now: number,
): Pick<RuleState, 'hot' | 'trouble'> {
  const [first] = rules;
  if (first === undefined) return { hot: null, trouble: null };
  const { trouble } = context.config;
  const { longMs, shortMs } = first;
  const long = canary.slowReads(limit, longMs, now);
  const short = canary.slowReads(limit, shortMs, now);
  return {
    hot: short.requests === 0 ? null : isSlow(short, trouble.responseTime.percentile),
    trouble: judgeSlowness(trouble.responseTime[limit], { long, short, longMs, shortMs }, trouble, now),
  };
}

/** Fires while any source is in trouble; resolves only when every source says that it is over: no data says nothing. */
function warn(alerts: AlertBook, rule: AlertRule, states: readonly Pick<RuleState, 'hot' | 'trouble'>[]): void {
  const [trouble] = states.flatMap((state) => (state.trouble === null ? [] : [state.trouble]));
  if (trouble !== undefined) alerts.fire(rule, trouble, 'A person should look; nothing is rolled back yet.');
  else if (states.every((state) => state.hot === false)) alerts.resolve(rule, { over: true });
}

import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Json } from '../rollout/json.ts';
import type { Trouble } from '../rollout/plan.ts';
import { within } from '../rollout/within.ts';
import { ALERTS, type AlertRule } from './trouble.ts';

/** A channel that has not taken a message by then counts as one that did not, ms. */
const DELIVERY_MS = 30_000;

/** Fires and resolves alerts, one after the other, without anybody waiting for them. */
export interface AlertBook {
  /** Tells every channel and notes who took it; a rule that fires already is not told again. */
  fire(rule: AlertRule, trouble: Trouble, then: string): void;
  resolve(rule: AlertRule, measured: Json): void;
  /** All of it is delivered and recorded. Rejects when the journal did not take it. */
  settled(): Promise<void>;
}

export function openAlertBook(context: RolloutContext): AlertBook {
  let last: Promise<void> = Promise.resolve();
  /** What this process said last of a rule: looks come twice a second, the journal is asked only when it changes. */
  const said = new Map<AlertRule, 'fires' | 'is over'>();
  const next = (work: () => Promise<void>): void => {
    last = last.then(work);
    // It is told by `settled`; until then it must not end the process.
    last.catch(() => {});
  };

  /** From the journal, so that a resumed rollout neither repeats nor forgets what an earlier life told. */
  async function standing(rule: AlertRule): Promise<{ times: number; firing: boolean }> {
    const own = (await context.history()).filter(
      (event) => (event.kind === 'alert.fired' || event.kind === 'alert.resolved') && event.data.rule === rule,
    );
    return {
      times: own.filter((event) => event.kind === 'alert.fired').length,
      firing: own.at(-1)?.kind === 'alert.fired',
    };
  }

  return {
    fire(rule, trouble, then) {
      if (said.get(rule) === 'fires') return;
      said.set(rule, 'fires');
      next(async () => {
        const { times, firing } = await standing(rule);
        if (firing) return;
        const severity = ALERTS[rule];
        const { measured, expected } = trouble;
        const deliveredTo = await deliver(context, rule, trouble, then);
        await context.record({
          kind: 'alert.fired',
          data: { rule, severity, measured, expected, deliveredTo },
          subject: rule,
          key: `alert/${rule}/${times + 1}`,
        });
      });
    },
    resolve(rule, measured) {
      if (said.get(rule) === 'is over') return;
      said.set(rule, 'is over');
      next(async () => {
        const { times, firing } = await standing(rule);
        if (!firing) return;
        const key = `alert/${rule}/${times}/resolved`;
        await context.record({ kind: 'alert.resolved', data: { rule, measured }, subject: rule, key });
      });
    },
    settled: () => last,
  };
}

/** Sends to every channel at once; answers with the names of those that took it. */
async function deliver(context: RolloutContext, rule: AlertRule, trouble: Trouble, then: string): Promise<string[]> {
  const { measure, measured, expected, since } = trouble;
  const message = {
    title: `Crossfade: ${rule} in production`,
    text: `${measure}: ${JSON.stringify(measured)}, expected ${JSON.stringify(expected)}, since ${since}. ${then}`,
    severity: ALERTS[rule],
    dedupKey: `${context.rollout}:${rule}`,
    details: { measured, expected, since },
  };
  const taken = await Promise.all(
    context.providers.notify.map(async (notifier) => {
      try {
        await within(DELIVERY_MS, notifier.send(message));
        return [notifier.name];
      } catch (error) {
        const text = `${notifier.name} did not take the alert: ${errorText(error)}`;
        await context.record({ kind: 'note', data: { text }, subject: rule });
        return [];
      }
    }),
  );
  return taken.flat();
}

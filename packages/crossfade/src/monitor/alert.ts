import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Trouble } from '../rollout/plan.ts';

/** The alert that a trouble fires; sent to every channel, and recorded with those that took it. */
export async function deliverAlert(context: RolloutContext, trouble: Trouble): Promise<void> {
  const rule = trouble.measure.startsWith('no data') ? 'workerDown' : 'highErrorRate';
  const deliveredTo: string[] = [];
  await Promise.all(
    context.providers.notify.map(async (notifier) => {
      try {
        await notifier.send({
          title: `Crossfade: ${rule} in production`,
          text: `${trouble.measure}: ${JSON.stringify(trouble.measured)}, allowed ${JSON.stringify(trouble.expected)}. Rolling back.`,
          severity: 'critical',
          dedupKey: `${context.rollout}:${rule}`,
          details: { measured: trouble.measured, expected: trouble.expected, since: trouble.since },
        });
        deliveredTo.push(notifier.name);
      } catch (error) {
        await context.record({
          kind: 'note',
          data: { text: `${notifier.name} did not take the alert: ${errorText(error)}` },
          subject: rule,
        });
      }
    }),
  );
  await context.record({
    kind: 'alert.fired',
    data: { rule, severity: 'critical', measured: trouble.measured, expected: trouble.expected, deliveredTo },
    subject: rule,
    key: `alert/${rule}`,
  });
}

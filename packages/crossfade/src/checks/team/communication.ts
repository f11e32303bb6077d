import type { RolloutContext } from '../../rollout/context.ts';
import { errorText } from '../../rollout/error-text.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Check } from '../../rollout/plan.ts';
import { planHash } from '../../rollout/plan-file.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { onCallAt } from './coverage.ts';
import { judgePlan } from './judge-plan.ts';
import { readMessages, renderMessage, type MessageTemplate } from './messages.ts';
import { mendOf } from './on-call.ts';

export const COMMUNICATION_CLAIM = 'preCutover.team.communicationPlan';
export const TEST_MESSAGES = 'team.testMessages';

/** What the messages' placeholders stand for. `reason` is why a rollback was begun. */
export async function messageValues(context: RolloutContext, reason: string): Promise<Record<string, string>> {
  const { config, providers, rollout } = context;
  const now = Date.now();
  const { production } = config.environments;
  const { worker, dns, verify, monitor, watch } = config.durations;
  const cutoverMs = [worker, dns, verify, monitor].reduce((sum, { plannedMs }) => sum + plannedMs, 0);
  return {
    app: config.name,
    rollout,
    reason,
    site: new URL(production.frontend.origin).hostname,
    media: new URL(production.worker.mediaOrigin).hostname,
    onCall: onCallAt(await providers.onCall.shifts(now, now + 1), now) ?? '',
    cutoverMinutes: String(Math.round(cutoverMs / 60_000)),
    watchHours: String(Math.round(watch.plannedMs / 3600_000)),
  };
}

/** Messages are the same as long as this is. */
export const messageHash = (template: MessageTemplate): string =>
  planHash([template.name, template.channel, template.title, template.text]);

const TEST_REASON = 'this is a test, nothing is wrong';

/** Sends each message that renders to its channel, once for each state of its file. */
export async function sendTestMessages(context: RolloutContext): Promise<{ sent: number }> {
  const values = await messageValues(context, TEST_REASON);
  let sent = 0;
  for (const template of await readMessages(context.config.team.communications)) {
    const { title, text, problems } = renderMessage(template, values);
    const channel = context.providers.channels.get(template.channel);
    if (problems.length > 0 || channel === undefined) continue;
    const hash = messageHash(template);
    if (accepted(await context.history(), hash)) continue;
    const { name } = template;
    let refused: string | null = null;
    try {
      const details = { message: name, test: true };
      const dedupKey = `${context.rollout}:${name}:${hash.slice(0, 12)}`;
      await channel.send({ title: `[Test] ${title}`, text, severity: 'info', dedupKey, details });
      sent++;
    } catch (error) {
      refused = errorText(error);
    }
    await context.record({
      kind: 'message.sent',
      data: { message: name, channel: template.channel, hash, refused, moment: null },
      subject: TEST_MESSAGES,
      ...(refused === null ? { key: `message/${hash}` } : {}),
    });
  }
  return { sent };
}

function accepted(history: readonly JournalEvent[], hash: string): boolean {
  return history.some(
    (event) => event.kind === 'message.sent' && event.data.hash === hash && event.data.refused === null,
  );
}

/** Why the channel did not take the message as it is now; `null` when it did. */
function refusal(history: readonly JournalEvent[], { name, channel }: MessageTemplate, hash: string): string | null {
  if (accepted(history, hash)) return null;
  const last = history.findLast((event) => event.kind === 'message.sent' && event.data.hash === hash);
  if (last?.kind === 'message.sent') return `${channel} did not take ${name}: ${last.data.refused}`;
  const earlier = history.some((event) => event.kind === 'message.sent' && event.data.message === name);
  return earlier ? `${name} was changed since it was tried` : `${name} was not tried on ${channel}`;
}

/** Each message renders, and its channel took it as a test. */
export function judgeCommunication(context: RolloutContext): Promise<Verdict> {
  return judgePlan(async () => {
    const { config, providers } = context;
    const values = await messageValues(context, TEST_REASON);
    const history = await context.history();
    const messages = (await readMessages(config.team.communications)).map((template) => {
      const known = Object.keys(values).join(', ');
      const problems = renderMessage(template, values).problems.map((text) => ({
        text,
        mend: `mend the file; there are: ${known}`,
      }));
      if (!providers.channels.has(template.channel)) {
        const text = `${template.file}: the channel ${template.channel} is not configured`;
        problems.push({
          text,
          mend: 'add the channel to notifications in the config, or name another one in the file',
        });
      } else if (problems.length === 0) {
        const text = refusal(history, template, messageHash(template));
        const mend = `see that ${template.channel} takes messages, then: crossfade prepare (it sends what is missing)`;
        if (text !== null) problems.push({ text, mend });
      }
      return { message: template.name, channel: template.channel, problems };
    });
    const problems = messages.flatMap((message) => message.problems);
    return verdict(problems.length === 0, {
      summary:
        problems.length === 0
          ? `${messages.length} messages render, and their channels took them`
          : problems.map((problem) => problem.text).join('; '),
      measured: messages.map(({ message, channel, problems }) => ({
        message,
        channel,
        problems: problems.map((problem) => problem.text),
      })),
      expected: 'each message renders and is taken by its channel',
      ...mendOf(problems),
    });
  });
}

export function communicationCheck(): Check {
  return {
    id: COMMUNICATION_CLAIM,
    title: 'Each message renders, and its channel takes it',
    proves: [COMMUNICATION_CLAIM],
    run: judgeCommunication,
  };
}

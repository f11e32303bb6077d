import * as v from 'valibot';
import type { Json } from '../../rollout/json.ts';
import { exchange, readJson, refusal, type Call } from '../http/exchange.ts';
import { malformed } from '../provider-error.ts';
import { pagerDutyHeaders } from '../on-call/pagerduty-schedule.ts';
import type { Notifier } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 10_000;
/** Longest summary that Events v2 takes. */
const SUMMARY_LENGTH = 1024;
const incidents = v.object({
  incidents: v.array(v.object({ status: v.picklist(['triggered', 'acknowledged', 'resolved']) })),
});

/**
 * PagerDuty: Events v2 calls whomever the service's escalation policy names; the answer is read from the incident
 * (REST API v2), which is found by the page's token, its deduplication key.
 */
export function createPagerDuty(options: {
  name: string;
  eventsBaseUrl: string;
  routingKeySecret: string;
  apiBaseUrl: string;
  apiToken: string;
}): Notifier {
  const { name, eventsBaseUrl, routingKeySecret, apiBaseUrl, apiToken } = options;

  async function enqueue(operation: string, event: Record<string, Json>): Promise<void> {
    const call: Call = {
      provider: name,
      operation,
      method: 'POST',
      url: `${eventsBaseUrl}/v2/enqueue`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ routing_key: routingKeySecret, ...event }),
      timeoutMs: TIMEOUT_MS,
      secrets: [routingKeySecret],
    };
    await retrying(async () => {
      const answer = await exchange(call);
      if (answer.status !== 202)
        throw refusal(call, answer, { code: null, message: `the event was not accepted: ${answer.text}` });
    });
  }

  const trigger = (severity: string, title: string, dedupKey: string, details: Json): Promise<void> =>
    enqueue('notify', {
      event_action: 'trigger',
      dedup_key: dedupKey,
      payload: { summary: title.slice(0, SUMMARY_LENGTH), source: 'crossfade', severity, custom_details: details },
    });

  return {
    name,
    send: ({ title, text, severity, dedupKey, details }) => trigger(severity, title, dedupKey, { text, details }),
    pager: {
      page: ({ title, text, to, address, token, level }) =>
        trigger('critical', title, token, { text, to, address, level }),
      async answered(token) {
        const call: Call = {
          provider: name,
          operation: 'read the answer to a page',
          method: 'GET',
          url: `${apiBaseUrl}/incidents?${new URLSearchParams({ incident_key: token })}`,
          headers: pagerDutyHeaders(apiToken),
          timeoutMs: TIMEOUT_MS,
          secrets: [apiToken],
        };
        const answer = await retrying(async () => {
          const answer = await exchange(call);
          if (answer.status !== 200) throw refusal(call, answer, { code: null, message: 'no incidents were given' });
          return answer;
        });
        const parsed = v.safeParse(incidents, readJson(call, answer));
        if (!parsed.success) throw malformed(call, answer.status);
        // Whoever resolves it has seen it, too.
        return parsed.output.incidents.some((incident) => incident.status !== 'triggered');
      },
      close: (token) => enqueue('end a page', { event_action: 'resolve', dedup_key: token }),
    },
  };
}

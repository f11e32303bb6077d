import * as v from 'valibot';
import { exchange, readJson, refusal, type Call } from '../http/exchange.ts';
import { malformed } from '../provider-error.ts';
import type { OnCallProvider } from '../providers.ts';
import { retrying } from '../retry.ts';

const TIMEOUT_MS = 10_000;
const time = v.pipe(
  v.string(),
  v.isoTimestamp(),
  v.transform((text) => Date.parse(text)),
);
const answerShape = v.object({
  schedule: v.object({
    final_schedule: v.object({
      rendered_schedule_entries: v.array(v.object({ start: time, end: time, user: v.object({ summary: v.string() }) })),
    }),
  }),
});

/** Headers of PagerDuty's REST API v2. */
export function pagerDutyHeaders(apiToken: string): Record<string, string> {
  return { authorization: `Token token=${apiToken}`, accept: 'application/vnd.pagerduty+json;version=2' };
}

/** A schedule of PagerDuty's with its overrides applied: what it calls the final schedule. */
export function createPagerDutySchedule(options: {
  apiBaseUrl: string;
  apiToken: string;
  scheduleId: string;
}): OnCallProvider {
  const { apiBaseUrl, apiToken, scheduleId } = options;
  return {
    place: `PagerDuty's schedule ${scheduleId}`,
    async shifts(from, until) {
      const query = new URLSearchParams({
        since: new Date(from).toISOString(),
        until: new Date(until).toISOString(),
        time_zone: 'UTC',
      });
      const call: Call = {
        provider: 'pagerduty',
        operation: `schedule ${scheduleId}`,
        method: 'GET',
        url: `${apiBaseUrl}/schedules/${encodeURIComponent(scheduleId)}?${query}`,
        headers: pagerDutyHeaders(apiToken),
        timeoutMs: TIMEOUT_MS,
        secrets: [apiToken],
      };
      const answer = await retrying(async () => {
        const answer = await exchange(call);
        if (answer.status !== 200) throw refusal(call, answer, { code: null, message: 'no schedule was given' });
        return answer;
      });
      const parsed = v.safeParse(answerShape, readJson(call, answer));
      if (!parsed.success) throw malformed(call, answer.status);
      return parsed.output.schedule.final_schedule.rendered_schedule_entries.map((entry) => ({
        person: entry.user.summary,
        from: entry.start,
        until: entry.end,
      }));
    },
  };
}

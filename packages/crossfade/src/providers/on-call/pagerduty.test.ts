import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPagerDuty } from '../notify/pagerduty.ts';
import type { Pager } from '../providers.ts';
import { API_TOKEN, ROUTING_KEY, startPagerDuty } from './fixtures/pagerduty.ts';
import { createPagerDutySchedule } from './pagerduty-schedule.ts';

let vendor: Awaited<ReturnType<typeof startPagerDuty>>;
beforeEach(async () => {
  vendor = await startPagerDuty([
    { person: 'Ada', start: '2026-11-24T08:00:00Z', end: '2026-11-24T20:00:00Z' },
    { person: 'Ben', start: '2026-11-24T20:00:00Z', end: '2026-11-25T08:00:00Z' },
  ]);
});
afterEach(() => vendor.close());

const schedule = (change: { apiToken?: string; scheduleId?: string; apiBaseUrl?: string } = {}) =>
  createPagerDutySchedule({ apiBaseUrl: vendor.url, apiToken: API_TOKEN, scheduleId: 'PI7DH85', ...change });
const channel = (change: { routingKeySecret?: string; apiToken?: string } = {}) =>
  createPagerDuty({
    name: 'duty',
    eventsBaseUrl: vendor.url,
    routingKeySecret: ROUTING_KEY,
    apiBaseUrl: vendor.url,
    apiToken: API_TOKEN,
    ...change,
  });
const page = { to: 'Ada', address: 'ada', title: 'Test', text: 'Please', token: 'key-1', level: 0, answerWanted: true };
const from = Date.parse('2026-11-24T19:00:00Z');
const until = Date.parse('2026-11-25T00:00:00Z');

function pagerOf(change: Parameters<typeof channel>[0] = {}): Pager {
  const { pager } = channel(change);
  if (pager === undefined) throw new Error('PagerDuty can be answered');
  return pager;
}

describe("PagerDuty's schedule", () => {
  it('is asked for the time, and gives the final schedule', async () => {
    expect(await schedule().shifts(from, until)).toEqual([
      { person: 'Ada', from, until: Date.parse('2026-11-24T20:00:00Z') },
      { person: 'Ben', from: Date.parse('2026-11-24T20:00:00Z'), until },
    ]);
    expect(vendor.asked[0]?.searchParams.get('since')).toBe('2026-11-24T19:00:00.000Z');
  });

  it.each([
    ['a wrong token', { apiToken: 'canary-wrong-token' }, /401.*check|401/],
    ['a schedule that is not there', { scheduleId: 'NOPE' }, /schedule NOPE answered 404/],
  ])('says what is wrong with %s, without the token', async (_name, change, message) => {
    const error = await schedule(change)
      .shifts(from, until)
      .catch((error: unknown) => String(error));
    expect(error).toMatch(message);
    expect(error).not.toContain('canary');
  });
});

describe("PagerDuty's pages", () => {
  it('are answered when the incident is acknowledged, and over when it is resolved', async () => {
    const pager = pagerOf();
    await pager.page(page);
    expect(await pager.answered('key-1')).toBe(false);
    vendor.acknowledge('key-1');
    expect(await pager.answered('key-1')).toBe(true);
    await pager.close('key-1');
    expect(vendor.incidents).toMatchObject([{ status: 'resolved', title: 'Test' }]);
  });

  it('are one incident, however often they are sent', async () => {
    const pager = pagerOf();
    await pager.page(page);
    await pager.page(page);
    expect(vendor.incidents).toHaveLength(1);
  });

  it('are not answered by an answer to another page', async () => {
    const pager = pagerOf();
    await pager.page(page);
    await pager.page({ ...page, token: 'key-2' });
    vendor.acknowledge('key-2');
    expect(await pager.answered('key-1')).toBe(false);
  });

  it('say what is wrong with a routing key, without it', async () => {
    const error = await pagerOf({ routingKeySecret: 'canary-routing-key' })
      .page(page)
      .catch((error: unknown) => String(error));
    expect(error).toMatch(/duty: notify answered 400.*Invalid routing key/);
    expect(error).not.toContain('canary');
  });

  it('say what is wrong with a token, without it', async () => {
    const error = await pagerOf({ apiToken: 'canary-token' })
      .answered('key-1')
      .catch((error: unknown) => String(error));
    expect(error).toMatch(/read the answer to a page answered 401/);
    expect(error).not.toContain('canary');
  });
});

describe("PagerDuty's alerts", () => {
  it('carry their severity and key', async () => {
    const details = { share: 0.2 };
    await channel().send({ title: 'Trouble', text: 'errors', severity: 'critical', dedupKey: 'r:rate', details });
    expect(vendor.incidents).toMatchObject([{ incident_key: 'r:rate', title: 'Trouble' }]);
  });
});

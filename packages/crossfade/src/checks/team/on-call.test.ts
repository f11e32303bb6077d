import { describe, expect, it } from 'vitest';
import { createPagerDuty } from '../../providers/notify/pagerduty.ts';
import { createWebhook } from '../../providers/notify/webhook.ts';
import { API_TOKEN, ROUTING_KEY, startPagerDuty } from '../../providers/on-call/fixtures/pagerduty.ts';
import { createPagerDutySchedule } from '../../providers/on-call/pagerduty-schedule.ts';
import { contact, deaf, pages, shift, teamStep, useTeam } from './fixtures/team-at-work.ts';
import { onCallCheck, TEST_PAGE } from './on-call.ts';

const team = useTeam();
const testPage = teamStep(TEST_PAGE);

describe('who is on call', () => {
  it('is proven when every minute is covered and the test page was answered', async () => {
    expect(await team().perform(testPage)).toMatchObject({ status: 'pass' });
    const verdict = await team().judge(onCallCheck());
    expect(verdict).toMatchObject({
      status: 'pass',
      measured: { onCall: ['Ada', 'Ben'], gaps: [], testPage: { to: 'Ada', answeredAfterMs: expect.any(Number) } },
    });
    expect(pages(await team().journal.read())).toMatchObject([{ to: 'Ada', level: 0, channel: 'on-call' }]);
  });

  it('is called once, also when the step is run again', async () => {
    await team().perform(testPage);
    await team().perform(testPage);
    expect(await team().arrived('on-call')).toHaveLength(1);
  });

  it.each([
    ['a gap between two shifts', [shift('Ada', -1, 1), shift('Ben', 2, 48)], /nobody is on call from .+ to /],
    ['a shift that ends before the watch', [shift('Ada', -1, 4)], /nobody is on call from/],
    ['nobody at all', [], /nobody is on call from/],
    ['somebody without a contact', [shift('Ada', -1, 1), shift('Zoe', 1, 48)], /Zoe has no contact/],
  ])('is not proven with %s', async (_name, shifts, summary) => {
    await team().write('schedule.json', { shifts });
    const verdict = await team().perform(testPage);
    expect(verdict).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(verdict.mend).toMatch(/schedule\.json|people\.json/);
  });

  it('names a gap by its times', async () => {
    const shifts = [shift('Ada', -1, 1), shift('Ben', 2, 48)];
    await team().write('schedule.json', { shifts });
    const short = (time: string | undefined): string => (time ?? '').replace(/(:00)?\.\d+Z$/, 'Z');
    expect(await team().perform(testPage)).toMatchObject({
      measured: { gaps: [{ from: short(shifts[0]?.until), until: short(shifts[1]?.from) }] },
    });
  });

  it.each([
    ['that is not configured', 'pigeon', /channel pigeon is not configured/],
    ['that nobody can answer in', 'mute', /channel mute has no way to answer/],
  ])('cannot be called through a channel %s', async (_name, channel, summary) => {
    team().channels.set('mute', createWebhook('mute', `${team().url}/sink/mute`, undefined));
    await team().write('people.json', { people: [contact('Ada', channel), contact('Ben', 'on-call')] });
    expect(await team().perform(testPage)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(await team().arrived('mute')).toEqual([]);
  });

  it('is not proven while the page is unanswered; the next try calls anew', async () => {
    const working = team().channels.get('on-call');
    deaf(team());
    team().config.team['answerWithinMs'] = 300;
    expect(await team().perform(testPage)).toMatchObject({
      status: 'fail',
      summary: 'Ada did not acknowledge the test page',
      measured: { testPage: { to: 'Ada', answeredAfterMs: null } },
      mend: expect.stringContaining('crossfade prepare'),
    });
    if (working !== undefined) team().channels.set('on-call', working);
    team().config.team['answerWithinMs'] = 3000;
    expect(await team().perform(testPage)).toMatchObject({ status: 'pass' });
    const tokens = pages(await team().journal.read()).map(({ token }) => token);
    expect(new Set(tokens).size).toBe(2);
  });

  it('is called again when the last answer is too old', async () => {
    await team().perform(testPage);
    team().config.gates.validationExpiresMs = 0;
    expect(await team().judge(onCallCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('Ada was sent no test page in the last'),
    });
    team().config.gates.validationExpiresMs = 24 * 3600_000;
    expect(await team().perform(testPage)).toMatchObject({ status: 'pass' });
    expect(await team().arrived('on-call')).toHaveLength(2);
  });

  it('is not proven by a page to somebody else', async () => {
    await team().perform(testPage);
    await team().write('schedule.json', { shifts: [shift('Cleo', -1, 48)] });
    expect(await team().judge(onCallCheck())).toMatchObject({
      status: 'fail',
      summary: 'Cleo was sent no test page in the last 24 h',
    });
  });

  it.each([
    ['that is no JSON', 'schedule.json', '{', /schedule\.json is no JSON/],
    [
      'with a time without a zone',
      'schedule.json',
      { shifts: [{ ...shift('Ada', -1, 48), from: '2026-11-24T08:00' }] },
      /schedule\.json: shifts\.0\.from: expected a time with its zone/,
    ],
    [
      'with a shift that ends before it begins',
      'schedule.json',
      { shifts: [shift('Ada', 2, 1)] },
      /ends after it begins/,
    ],
    ['with a field that nobody knows', 'schedule.json', { shift: [] }, /schedule\.json: shift: there is no such field/],
    ['without anybody', 'people.json', { people: [] }, /people\.json: people: expected at least one person/],
  ])('is not proven by a file %s, which is named', async (_name, file, content, summary) => {
    await team().write(file, content);
    expect(await team().perform(testPage)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
  });
});

describe('a team on PagerDuty', () => {
  it('is proven by its schedule, its pages and its answers', async () => {
    const hours = (count: number): string => new Date(Date.now() + count * 3600_000).toISOString();
    const vendor = await startPagerDuty([{ person: 'Ada', start: hours(-1), end: hours(24) }]);
    try {
      const duty = createPagerDuty({
        name: 'on-call',
        eventsBaseUrl: vendor.url,
        routingKeySecret: ROUTING_KEY,
        apiBaseUrl: vendor.url,
        apiToken: API_TOKEN,
      });
      team().channels.set('on-call', duty);
      const onCall = createPagerDutySchedule({ apiBaseUrl: vendor.url, apiToken: API_TOKEN, scheduleId: 'PI7DH85' });
      const context = { ...team().context, providers: { ...team().context.providers, onCall } };
      team().journal.subscribe((event) => {
        if (event.kind === 'page.sent') vendor.acknowledge(event.data.token);
      });
      expect(await team().perform(testPage, context)).toMatchObject({ status: 'pass', measured: { onCall: ['Ada'] } });
      expect(vendor.incidents).toMatchObject([{ status: 'resolved' }]);
    } finally {
      await vendor.close();
    }
  });
});

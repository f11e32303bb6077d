import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Pool } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { teamSteps } from '../../phases/preparation/team-steps.ts';
import { createDryRun } from '../../providers/dry-run.ts';
import { createPagerDuty } from '../../providers/notify/pagerduty.ts';
import { createWebhook } from '../../providers/notify/webhook.ts';
import { API_TOKEN, ROUTING_KEY, startPagerDuty } from '../../providers/on-call/fixtures/pagerduty.ts';
import { createPagerDutySchedule } from '../../providers/on-call/pagerduty-schedule.ts';
import type { Providers } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import { createJournalTable } from '../../rollout/journal.ts';
import type { Step } from '../../rollout/plan.ts';
import { communicationCheck } from './communication.ts';
import { escalationCheck } from './escalation.ts';
import { contact, openTeam, shift, type TeamAtWork } from './fixtures/team-at-work.ts';
import { onCallCheck } from './on-call.ts';

let server: DatabaseServer;
let pool: Pool;
let team: TeamAtWork;
beforeAll(async () => {
  server = await startTemporaryDatabase('crossfade');
  pool = new Pool({ connectionString: server.url('crossfade'), max: 4 });
  // The server ends idle connections when it is stopped.
  pool.on('error', () => {});
  await createJournalTable(pool);
});
afterAll(async () => {
  await pool.end();
  await server.stop();
});
beforeEach(async () => {
  team = await openTeam(pool);
});
afterEach(() => team.close());

function step(id: string): Step {
  const found = teamSteps().find((one) => one.id === id);
  if (found === undefined) throw new Error(`no step ${id}`);
  return found;
}
const testPage = step('team.testPage');
const testMessages = step('team.testMessages');
const drill = step('team.escalationDrill');
const pages = (events: readonly JournalEvent[]) =>
  events.flatMap((event) => (event.kind === 'page.sent' ? [event.data] : []));

/** Nobody ever answers in this channel. */
const deaf = (): void =>
  void team.channels.set(
    'on-call',
    createWebhook('on-call', `${team.url}/sink/on-call`, undefined, `${team.url}/nobody/{token}`),
  );

describe('who is on call', () => {
  it('is proven when every minute is covered and the test page was answered', async () => {
    expect(await team.perform(testPage)).toMatchObject({ status: 'pass' });
    const verdict = await team.judge(onCallCheck());
    expect(verdict).toMatchObject({
      status: 'pass',
      measured: { onCall: ['Ada', 'Ben'], gaps: [], testPage: { to: 'Ada', answeredAfterMs: expect.any(Number) } },
    });
    expect(pages(await team.journal.read())).toMatchObject([{ to: 'Ada', level: 0, channel: 'on-call' }]);
  });

  it('is called once, also when the step is run again', async () => {
    await team.perform(testPage);
    await team.perform(testPage);
    expect(await team.arrived('on-call')).toHaveLength(1);
  });

  it.each([
    ['a gap between two shifts', [shift('Ada', -1, 1), shift('Ben', 2, 48)], /nobody is on call from .+ to /],
    ['a shift that ends before the watch', [shift('Ada', -1, 4)], /nobody is on call from/],
    ['nobody at all', [], /nobody is on call from/],
    ['somebody without a contact', [shift('Ada', -1, 1), shift('Zoe', 1, 48)], /Zoe has no contact/],
  ])('is not proven with %s', async (_name, shifts, summary) => {
    await team.write('schedule.json', { shifts });
    const verdict = await team.perform(testPage);
    expect(verdict).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(verdict.mend).toMatch(/schedule\.json|people\.json/);
  });

  it('names a gap by its times', async () => {
    const shifts = [shift('Ada', -1, 1), shift('Ben', 2, 48)];
    await team.write('schedule.json', { shifts });
    const short = (time: string | undefined): string => (time ?? '').replace(/(:00)?\.\d+Z$/, 'Z');
    expect(await team.perform(testPage)).toMatchObject({
      measured: { gaps: [{ from: short(shifts[0]?.until), until: short(shifts[1]?.from) }] },
    });
  });

  it.each([
    ['that is not configured', 'pigeon', /channel pigeon is not configured/],
    ['that nobody can answer in', 'mute', /channel mute has no way to answer/],
  ])('cannot be called through a channel %s', async (_name, channel, summary) => {
    team.channels.set('mute', createWebhook('mute', `${team.url}/sink/mute`, undefined));
    await team.write('people.json', { people: [contact('Ada', channel), contact('Ben', 'on-call')] });
    expect(await team.perform(testPage)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(await team.arrived('mute')).toEqual([]);
  });

  it('is not proven while the page is unanswered; the next try calls anew', async () => {
    const working = team.channels.get('on-call');
    deaf();
    team.config.team['answerWithinMs'] = 300;
    expect(await team.perform(testPage)).toMatchObject({
      status: 'fail',
      summary: 'Ada did not acknowledge the test page',
      measured: { testPage: { to: 'Ada', answeredAfterMs: null } },
      mend: expect.stringContaining('crossfade prepare'),
    });
    if (working !== undefined) team.channels.set('on-call', working);
    team.config.team['answerWithinMs'] = 3000;
    expect(await team.perform(testPage)).toMatchObject({ status: 'pass' });
    const tokens = pages(await team.journal.read()).map(({ token }) => token);
    expect(new Set(tokens).size).toBe(2);
  });

  it('is not proven by a page to somebody else', async () => {
    await team.perform(testPage);
    await team.write('schedule.json', { shifts: [shift('Cleo', -1, 48)] });
    expect(await team.judge(onCallCheck())).toMatchObject({ status: 'fail', summary: 'Cleo was sent no test page' });
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
    await team.write(file, content);
    expect(await team.perform(testPage)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
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
      team.channels.set('on-call', duty);
      const onCall = createPagerDutySchedule({ apiBaseUrl: vendor.url, apiToken: API_TOKEN, scheduleId: 'PI7DH85' });
      const context = { ...team.context, providers: { ...team.context.providers, onCall } };
      team.journal.subscribe((event) => {
        if (event.kind === 'page.sent') vendor.acknowledge(event.data.token);
      });
      expect(await team.perform(testPage, context)).toMatchObject({ status: 'pass', measured: { onCall: ['Ada'] } });
      expect(vendor.incidents).toMatchObject([{ status: 'resolved' }]);
    } finally {
      await vendor.close();
    }
  });
});

describe('a dry run', () => {
  it('writes down whom it would call and what it would say, and tells nobody', async () => {
    const real = { ...team.context.providers, notify: [], database: { staging: null, production: null } };
    const config = { cloudflare: { apiBaseUrl: 'http://127.0.0.1:1', apiToken: 'no token' } };
    const { providers, calls } = createDryRun(real as unknown as Providers, config as unknown as RolloutConfig);
    await testPage.run({ ...team.context, providers }, null);
    await testMessages.run({ ...team.context, providers }, null);
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'PAGE on-call',
      ...Array.from({ length: 6 }, () => 'TELL announcements'),
    ]);
    expect([await team.arrived('on-call'), await team.arrived('announcements')]).toEqual([[], []]);
  });
});

describe('the messages', () => {
  it('are proven when each renders and its channel took it, once', async () => {
    expect(await team.perform(testMessages)).toMatchObject({ status: 'pass' });
    await team.perform(testMessages);
    expect(await team.judge(communicationCheck())).toMatchObject({ status: 'pass' });
    const titles = (await team.arrived('announcements')).map(({ message }) => message.title);
    expect(titles.toSorted()[0]).toBe('[Test] all-clear of audafact');
    expect(titles).toHaveLength(6);
  });

  const message = (text: string): string => `channel: announcements\ntitle: Done\n\n${text}\n`;
  it.each([
    ['an unknown placeholder', message('Hello {{nobody}}'), /all-clear\.md: there is no placeholder \{\{nobody\}\}/],
    ['a brace too many', message('Hello {{app'), /all-clear\.md: a \{\{ or \}\} stands alone/],
    ['no text', 'channel: announcements\ntitle: Done\n', /all-clear\.md: expected a channel, a title/],
    ['no channel', 'title: Done\n\nText', /all-clear\.md: expected a channel, a title/],
    ['another header', 'to: all\n\nText', /all-clear\.md: expected "channel: …" or "title: …", found "to: all"/],
    ['a channel that is none', message('Hi').replace('announcements', 'radio'), /channel radio is not configured/],
  ])('are not proven with %s', async (_name, content, summary) => {
    await team.write('communications/all-clear.md', content);
    const verdict = await team.perform(testMessages);
    expect(verdict).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(summary),
      mend: expect.any(String),
    });
  });

  it('are not proven with an empty placeholder', async () => {
    await team.write('schedule.json', { shifts: [] });
    const { status, summary } = await team.perform(testMessages);
    expect({ status, summary }).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('{{onCall}} is empty'),
    });
  });

  it('are not proven when one is missing', async () => {
    team.config.team['communications'] = '/nowhere';
    expect(await team.perform(testMessages)).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('/nowhere cannot be read'),
    });
  });

  it('are not proven when the channel refuses, and are tried again', async () => {
    const working = team.channels.get('announcements');
    team.channels.set('announcements', createWebhook('announcements', `${team.url}/nowhere`, undefined));
    expect(await team.perform(testMessages)).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(/announcements did not take all-clear: .*404/),
    });
    if (working !== undefined) team.channels.set('announcements', working);
    expect(await team.perform(testMessages)).toMatchObject({ status: 'pass' });
  });

  it('are not proven when one was changed since', async () => {
    await team.perform(testMessages);
    await team.write('communications/all-clear.md', message('Another text'));
    expect(await team.judge(communicationCheck())).toMatchObject({
      status: 'fail',
      summary: 'all-clear was changed since it was tried',
    });
  });

  it('are not proven before they were tried', async () => {
    expect(await team.judge(communicationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('all-clear was not tried on announcements'),
    });
  });
});

describe('the escalation', () => {
  it('is proven by a drill: each level is called after the wait of the one before, and the last answers', async () => {
    expect(await team.perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team.judge(escalationCheck())).toMatchObject({
      status: 'pass',
      measured: {
        walked: [
          { level: 1, to: 'Ada', answeredAfterMs: null },
          { level: 2, to: 'Ben', answeredAfterMs: null },
          { level: 3, to: 'Cleo', answeredAfterMs: null },
        ].map((one) => (one.to === 'Cleo' ? { ...one, answeredAfterMs: expect.any(Number) } : one)),
      },
    });
    const events = (await team.journal.read()).filter((event) => event.kind === 'page.sent');
    const times = events.map(({ at }) => Date.parse(at));
    expect(pages(events).map(({ to, level }) => `${level} ${to}`)).toEqual(['1 Ada', '2 Ben', '3 Cleo']);
    for (const [index, time] of times.slice(1).entries())
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(600);
  });

  it('goes on where it was interrupted, and calls nobody twice', async () => {
    const stop = new AbortController();
    team.journal.subscribe((event) => {
      if (event.kind === 'page.sent' && event.data.level === 2) stop.abort(new Error('killed'));
    });
    await expect(team.perform(drill, { ...team.context, signal: stop.signal })).rejects.toThrow('killed');
    expect(await team.perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team.arrived('on-call')).toHaveLength(3);
  });

  it.each([
    ['with one level', { levels: [{ person: 'Ada', waitMinutes: 5 }] }, /levels: expected at least two levels/],
    [
      'with a level that waits no time',
      { levels: ['Ada', 'Ben'].map((person) => ({ person, waitMinutes: 0 })) },
      /levels\.0\.waitMinutes: expected at least one minute/,
    ],
    [
      'with somebody who has no contact',
      { levels: ['Ada', 'Zoe'].map((person) => ({ person, waitMinutes: 5 })) },
      /Zoe has no contact/,
    ],
  ])('is not proven %s', async (_name, content, summary) => {
    await team.write('escalation.json', content);
    expect(await team.perform(drill)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(await team.arrived('on-call')).toEqual([]);
  });

  it('is not proven with a contact whose channel is none', async () => {
    await team.write('people.json', { people: ['Ada', 'Ben', 'Cleo'].map((name) => contact(name, 'pigeon')) });
    expect(await team.perform(drill)).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining("Ada's channel pigeon is not configured"),
      mend: expect.stringContaining('people.json'),
    });
  });

  it('is not proven without a drill', async () => {
    expect(await team.judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: 'the escalation was not walked in a drill',
      mend: 'crossfade prepare (it walks the drill anew)',
    });
  });

  it.each([
    ['a waiting time', 'escalation.json', { levels: ['Ada', 'Cleo'].map((person) => ({ person, waitMinutes: 6 })) }],
    ['a contact', 'people.json', { people: ['Ada', 'Ben', 'Cleo'].map((name) => contact(name, 'announcements')) }],
  ])('is not proven when %s was changed since the drill', async (_name, file, content) => {
    await team.perform(drill);
    await team.write(file, content);
    expect(await team.judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('the plan was changed since the drill of'),
    });
  });

  it('is not proven when the last level does not answer; the next drill calls anew', async () => {
    const working = team.channels.get('on-call');
    deaf();
    expect(await team.perform(drill)).toMatchObject({
      status: 'fail',
      summary: 'level 3 (Cleo) did not acknowledge',
      mend: expect.stringContaining('see that Cleo gets pages'),
    });
    if (working !== undefined) team.channels.set('on-call', working);
    expect(await team.perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team.arrived('on-call')).toHaveLength(6);
  });

  it('is not proven when a level was not given its time', async () => {
    await team.perform(drill);
    team.config.team['drillScale'] = 1;
    expect(await team.judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(/level 2 was called \d+ ms after level 1, not 300000 ms/),
    });
  });
});

import { describe, expect, it } from 'vitest';
import { createDryRun } from '../../providers/dry-run.ts';
import { createWebhook } from '../../providers/notify/webhook.ts';
import type { Providers } from '../../providers/providers.ts';
import type { RolloutConfig } from '../../rollout/config.ts';
import { memoryStore } from '../../transfer/fixtures/memory-store.ts';
import { communicationCheck, TEST_MESSAGES } from './communication.ts';
import { teamStep, useTeam } from './fixtures/team-at-work.ts';
import { TEST_PAGE } from './on-call.ts';

const team = useTeam();
const testPage = teamStep(TEST_PAGE);
const testMessages = teamStep(TEST_MESSAGES);

describe('the messages', () => {
  it('are proven when each renders and its channel took it, once', async () => {
    expect(await team().perform(testMessages)).toMatchObject({ status: 'pass' });
    await team().perform(testMessages);
    expect(await team().judge(communicationCheck())).toMatchObject({ status: 'pass' });
    const titles = (await team().arrived('announcements')).map(({ message }) => message.title);
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
    await team().write('communications/all-clear.md', content);
    const verdict = await team().perform(testMessages);
    expect(verdict).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(summary),
      mend: expect.any(String),
    });
  });

  it('are not proven with an empty placeholder', async () => {
    await team().write('schedule.json', { shifts: [] });
    const { status, summary } = await team().perform(testMessages);
    expect({ status, summary }).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('{{onCall}} is empty'),
    });
  });

  it('are not proven when one is missing', async () => {
    team().config.team['communications'] = '/nowhere';
    expect(await team().perform(testMessages)).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('/nowhere cannot be read'),
    });
  });

  it('are not proven when the channel refuses, and are tried again', async () => {
    const working = team().channels.get('announcements');
    team().channels.set('announcements', createWebhook('announcements', `${team().url}/nowhere`, undefined));
    expect(await team().perform(testMessages)).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(/announcements did not take all-clear: .*404/),
    });
    if (working !== undefined) team().channels.set('announcements', working);
    expect(await team().perform(testMessages)).toMatchObject({ status: 'pass' });
  });

  it('are not proven when one was changed since', async () => {
    await team().perform(testMessages);
    await team().write('communications/all-clear.md', message('Another text'));
    expect(await team().judge(communicationCheck())).toMatchObject({
      status: 'fail',
      summary: 'all-clear was changed since it was tried',
    });
  });

  it('are not proven before they were tried', async () => {
    expect(await team().judge(communicationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('all-clear was not tried on announcements'),
    });
  });
});

describe('a dry run', () => {
  it('writes down whom it would call and what it would say, and tells nobody', async () => {
    const legacyStore = memoryStore('legacy');
    const r2 = { staging: memoryStore('staging'), production: memoryStore('r2') };
    const real = { ...team().context.providers, notify: [], database: {}, legacyStore, r2 };
    const config = { environments: {}, cloudflare: { apiBaseUrl: 'http://127.0.0.1:1', apiToken: 'no token' } };
    const { providers, calls } = createDryRun(real as unknown as Providers, config as unknown as RolloutConfig);
    await testPage.run({ ...team().context, providers }, null);
    await testMessages.run({ ...team().context, providers }, null);
    expect(calls.map(({ method, path }) => `${method} ${path}`)).toEqual([
      'PAGE on-call',
      ...Array.from({ length: 6 }, () => 'TELL announcements'),
    ]);
    expect([await team().arrived('on-call'), await team().arrived('announcements')]).toEqual([[], []]);
  });
});

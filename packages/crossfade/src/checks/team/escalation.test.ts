import { describe, expect, it } from 'vitest';
import { DRILL, escalationCheck } from './escalation.ts';
import { contact, deaf, pages, teamStep, useTeam } from './fixtures/team-at-work.ts';

const team = useTeam();
const drill = teamStep(DRILL);

describe('the escalation', () => {
  it('is proven by a drill: each level is called after the wait of the one before, and the last answers', async () => {
    expect(await team().perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team().judge(escalationCheck())).toMatchObject({
      status: 'pass',
      measured: {
        walked: [
          { level: 1, to: 'Ada', answeredAfterMs: null },
          { level: 2, to: 'Ben', answeredAfterMs: null },
          { level: 3, to: 'Cleo', answeredAfterMs: null },
        ].map((one) => (one.to === 'Cleo' ? { ...one, answeredAfterMs: expect.any(Number) } : one)),
      },
    });
    const events = (await team().journal.read()).filter((event) => event.kind === 'page.sent');
    const times = events.map(({ at }) => Date.parse(at));
    expect(pages(events).map(({ to, level }) => `${level} ${to}`)).toEqual(['1 Ada', '2 Ben', '3 Cleo']);
    for (const [index, time] of times.slice(1).entries())
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(600);
  });

  it('goes on where it was interrupted, and calls nobody twice', async () => {
    const stop = new AbortController();
    team().journal.subscribe((event) => {
      if (event.kind === 'page.sent' && event.data.level === 2) stop.abort(new Error('killed'));
    });
    await expect(team().perform(drill, { ...team().context, signal: stop.signal })).rejects.toThrow('killed');
    expect(await team().perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team().arrived('on-call')).toHaveLength(3);
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
    await team().write('escalation.json', content);
    expect(await team().perform(drill)).toMatchObject({ status: 'fail', summary: expect.stringMatching(summary) });
    expect(await team().arrived('on-call')).toEqual([]);
  });

  it('is not proven with a contact whose channel is none', async () => {
    await team().write('people.json', { people: ['Ada', 'Ben', 'Cleo'].map((name) => contact(name, 'pigeon')) });
    expect(await team().perform(drill)).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining("Ada's channel pigeon is not configured"),
      mend: expect.stringContaining('people.json'),
    });
  });

  it('is not proven without a drill', async () => {
    expect(await team().judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: 'the escalation was not walked in a drill',
      mend: 'crossfade prepare (it walks the drill anew)',
    });
  });

  it.each([
    ['a waiting time', 'escalation.json', { levels: ['Ada', 'Cleo'].map((person) => ({ person, waitMinutes: 6 })) }],
    ['a contact', 'people.json', { people: ['Ada', 'Ben', 'Cleo'].map((name) => contact(name, 'announcements')) }],
  ])('is not proven when %s was changed since the drill', async (_name, file, content) => {
    await team().perform(drill);
    await team().write(file, content);
    expect(await team().judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('the plan was changed since the drill of'),
    });
  });

  it('is not proven when the last level does not answer; the next drill calls anew', async () => {
    const working = team().channels.get('on-call');
    deaf(team());
    expect(await team().perform(drill)).toMatchObject({
      status: 'fail',
      summary: 'level 3 (Cleo) did not acknowledge',
      mend: expect.stringContaining('see that Cleo gets pages'),
    });
    if (working !== undefined) team().channels.set('on-call', working);
    expect(await team().perform(drill)).toMatchObject({ status: 'pass' });
    expect(await team().arrived('on-call')).toHaveLength(6);
  });

  it('is not proven when a level was not given its time', async () => {
    await team().perform(drill);
    team().config.team['drillScale'] = 1;
    expect(await team().judge(escalationCheck())).toMatchObject({
      status: 'fail',
      summary: expect.stringMatching(/level 2 was called \d+ ms after level 1, not 300000 ms/),
    });
  });
});

import { describe, expect, it } from 'vitest';
import type { DnsAnswer } from '../../providers/providers.ts';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { judgeResolvers, recordBefore } from './dns-back.ts';

const LEGACY = '127.0.0.21';
const says = (server: string, address: string | null, error: string | null = null): DnsAnswer => ({
  server,
  addresses: address === null ? [] : [address],
  ttl: null,
  error,
});
const legacy = (server: string): DnsAnswer => says(server, LEGACY);
const silent = (server: string): DnsAnswer => says(server, null, 'ETIMEOUT');

/** `heard`: who answered anything at any time. */
function judge(answers: readonly DnsAnswer[], heard: readonly string[]) {
  return judgeResolvers(answers, ({ addresses }) => addresses.includes(LEGACY), new Set(heard));
}

describe('readers are back', () => {
  it('when the authority and every resolver lead to legacy', () => {
    expect(judge([legacy('authority'), legacy('a'), legacy('b')], ['authority', 'a', 'b'])).toEqual({
      good: true,
      silent: [],
    });
  });

  it('also when one resolver said nothing at all in the whole time, which is named', () => {
    expect(judge([legacy('authority'), legacy('a'), silent('b')], ['authority', 'a'])).toEqual({
      good: true,
      silent: ['b'],
    });
  });
});

describe('readers are not back', () => {
  it.each([
    ['a resolver leads to the edge', [legacy('authority'), legacy('a'), says('b', '127.0.0.31')]],
    ['a resolver says that the name is unknown', [legacy('authority'), legacy('a'), says('b', null, 'ENOTFOUND')]],
    ['a resolver answered something before it fell silent', [legacy('authority'), legacy('a'), silent('b')]],
    ['the authority leads elsewhere', [says('authority', '127.0.0.31'), legacy('a'), legacy('b')]],
  ])('when %s', (_what, answers) => {
    expect(judge(answers, ['authority', 'a', 'b']).good).toBe(false);
  });

  it('when no resolver at all says that they are', () => {
    expect(judge([legacy('authority'), silent('a'), silent('b')], ['authority']).good).toBe(false);
  });

  it('when the authority is silent', () => {
    expect(judge([silent('authority'), legacy('a'), legacy('b')], ['a', 'b']).good).toBe(false);
  });
});

describe('the record from before the switch', () => {
  const record = { id: 'r1', type: 'A', name: 'media.audafact.com', comment: null };
  const before = { ...record, content: LEGACY, ttl: 300, proxied: false };
  const switched = { ...record, content: '127.0.0.31', ttl: 1, proxied: true };
  const dns = { edgeRecord: { type: 'A', content: '127.0.0.31' } };

  async function found(...looked: (typeof before)[]) {
    const journal = memoryJournal();
    for (const one of looked)
      await journal.append(
        { kind: 'step.looked', data: { title: 'switch', before: one } },
        { phase: 'cutover.dns', subject: 'dns.switch' },
      );
    // It asks for the edge's record and the journal alone.
    return recordBefore({ history: () => journal.read(), config: { dns } } as unknown as RolloutContext);
  }

  it('is what the switch found, also when a later cutover found the record that the first one wrote', async () => {
    expect(await found(before)).toEqual(before);
    expect(await found(before, switched)).toEqual(before);
  });

  it('is the newest one, when somebody changed it between two cutovers', async () => {
    const moved = { ...before, content: '127.0.0.99' };
    expect(await found(before, moved, switched)).toEqual(moved);
  });

  it('is none where DNS was never switched', async () => {
    expect(await found()).toBeNull();
  });
});

import { describe, expect, it } from 'vitest';
import type { DnsAnswer } from '../../providers/providers.ts';
import { judgeResolvers } from './dns-back.ts';

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

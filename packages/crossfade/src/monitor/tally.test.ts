import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTally } from './tally.ts';

describe('a tally', () => {
  it('counts what a list of everything counts, to the precision of its slots', () => {
    const events = fc.array(
      fc.record({ after: fc.nat(300), took: fc.nat(2000), failed: fc.boolean(), window: fc.nat(5000) }),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(events, (list) => {
        const tally = createTally(5000, 100);
        const all: { at: number; startedAt: number; failed: boolean }[] = [];
        let at = 1_000_000;
        for (const { after, took, failed, window } of list) {
          at += after;
          all.push({ at, startedAt: at - took, failed });
          tally.add(at, at - took, failed);
          const since = at - window;
          const edge = since - (since % 100);
          const expected = all.filter((one) => one.at >= edge);
          const failures = expected.filter((one) => one.failed);
          expect(tally.count(since)).toEqual({
            requests: expected.length,
            failed: failures.length,
            firstFailedAt: failures.length === 0 ? null : Math.min(...failures.map((one) => one.startedAt)),
          });
        }
      }),
    );
  });

  it('forgets all of it', () => {
    const tally = createTally(5000, 100);
    tally.add(10, 5, true);
    tally.forget();
    expect(tally.count(0)).toEqual({ requests: 0, failed: 0, firstFailedAt: null });
  });
});

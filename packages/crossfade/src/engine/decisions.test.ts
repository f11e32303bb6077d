import { describe, expect, it } from 'vitest';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { createDecisions } from './decisions.ts';

let seq = 0;
function decided(decision: 'hold' | 'go' | 'abort', note = ''): Extract<JournalEvent, { kind: 'operator.decided' }> {
  seq += 1;
  const about = { seq, id: `ev-${seq}`, at: '2026-01-01T00:00:00.000Z', rollout: 'one', phase: null, subject: null };
  return { kind: 'operator.decided', data: { decision, as: 'Ada', note }, ...about };
}

/** Whether a promise is settled once all that is queued has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol('open');
  await new Promise((resolve) => setImmediate(resolve));
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

describe('decisions', () => {
  it('let the walk go on until somebody holds it, and again when somebody says go', async () => {
    const { decisions, take } = createDecisions();
    expect(await settled(decisions.untilGo())).toBe(true);
    take(decided('hold', 'the phone rings'));
    expect(decisions.heldBy()).toBe('Ada (the phone rings)');
    const going = decisions.untilGo();
    expect(await settled(going)).toBe(false);
    take(decided('go'));
    expect(await settled(going)).toBe(true);
    expect(decisions.heldBy()).toBeNull();
  });

  it('count the latest, in whatever order they come', () => {
    const { decisions, take } = createDecisions();
    const [hold, go] = [decided('hold'), decided('go')];
    take(go);
    take(hold);
    expect(decisions.heldBy()).toBeNull();
  });

  it('cannot take an abort back', async () => {
    const { decisions, take } = createDecisions();
    expect(await settled(decisions.aborted)).toBe(false);
    take(decided('abort', 'wrong night'));
    take(decided('go'));
    expect((await decisions.aborted).measure).toBe('aborted by Ada (wrong night)');
    expect(decisions.heldBy()).toBe('Ada (wrong night)');
  });
});

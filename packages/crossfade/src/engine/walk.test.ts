import { describe, expect, it } from 'vitest';
import { Killed, lifeOf, nothingYet, smallRollout, type Life, type Remains } from './fixtures/small-rollout.ts';
import { walkRollout, type WalkOutcome } from './walk.ts';

const kinds = (remains: Remains, kind: string): (string | undefined)[] =>
  remains.journal.filter((event) => event.entry.kind === kind).map((event) => event.subject);

describe('a rollout', () => {
  it('takes its steps in order and ends completed', async () => {
    const { plan, effects } = smallRollout();
    const remains = nothingYet();
    expect(await walkRollout(lifeOf(plan, remains).walk)).toEqual({ outcome: 'completed', reason: null });
    expect(effects.map(({ step, action }) => `${action} ${step}`)).toEqual(['run a', 'run b', 'run c', 'run d']);
    expect(kinds(remains, 'step.finished')).toEqual(['a', 'b', 'c', 'd']);
  });

  it('stops at a gate that does not hold, and says which check measured what', async () => {
    const { plan, world } = smallRollout({ gateFails: true });
    const remains = nothingYet();
    const outcome = await walkRollout(lifeOf(plan, remains).walk);
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('in place: 2 in place') });
    expect(kinds(remains, 'rollback.decided')).toEqual([]);
    expect(remains.journal.map(({ entry }) => entry)).toContainEqual({
      kind: 'gate.decided',
      data: { status: 'closed', failed: ['gate.ready'] },
    });
    expect(world).toEqual(new Set(['a', 'b']));
  });

  it('undoes only its own steps in a phase without a rollback', async () => {
    const { plan, effects, world } = smallRollout({ verifyFails: 'b' });
    const outcome = await walkRollout(lifeOf(plan, nothingYet()).walk);
    expect(outcome).toEqual({ outcome: 'failed', reason: 'Put b in place: not in place' });
    expect(effects.slice(2)).toEqual([
      { step: 'b', action: 'compensate' },
      { step: 'a', action: 'compensate' },
    ]);
    expect(world).toEqual(new Set());
  });

  it('takes a second preparation that fails back to where it began: what the first one completed stands', async () => {
    const { plan, effects, world } = smallRollout({ verifyFails: 'a' });
    const steps = plan.phases[0]?.parts.flatMap((part) => (part.kind === 'step' ? [part.step] : [])) ?? [];
    for (const { id } of steps) world.add(id);
    const { walk } = lifeOf(plan, nothingYet());
    const takenBefore = steps.map((step) => ({ phase: 'preparation' as const, step, before: false }));
    const outcome = await walkRollout({ ...walk, takenBefore });
    expect(outcome).toEqual({ outcome: 'failed', reason: 'Put a in place: not in place' });
    expect(effects).toEqual([]);
    expect(world).toEqual(new Set(['a', 'b']));
  });

  it('leaves a cutover that was completed as it is when the gate of another one does not hold', async () => {
    const { plan, effects, world } = smallRollout({ gateFails: true });
    const steps = plan.phases[1]?.parts.flatMap((part) => (part.kind === 'step' ? [part.step] : [])) ?? [];
    for (const { id } of steps) world.add(id);
    const remains = nothingYet();
    const { walk } = lifeOf(plan, remains);
    const takenBefore = steps.map((step) => ({ phase: 'cutover.worker' as const, step, before: false }));
    expect((await walkRollout({ ...walk, takenBefore })).outcome).toBe('failed');
    expect(kinds(remains, 'rollback.decided')).toEqual([]);
    expect(effects.filter(({ action }) => action === 'compensate')).toEqual([]);
    expect(world).toEqual(new Set(['a', 'b', 'c', 'd']));
  });

  it('rolls back in reverse what a guarded phase did, and leaves what came before', async () => {
    const { plan, effects, world } = smallRollout({ verifyFails: 'd' });
    const outcome = await walkRollout(lifeOf(plan, nothingYet()).walk);
    expect(outcome.outcome).toBe('rolled-back');
    expect(effects.slice(4).map(({ step }) => step)).toEqual(['d', 'c']);
    expect(world).toEqual(new Set(['a', 'b']));
  });

  it('rolls back when the sentinel sees trouble, and names the measure', async () => {
    const { plan, world } = smallRollout();
    const remains = nothingYet();
    const life = lifeOf(plan, remains);
    life.trouble({ measure: 'error rate', measured: 0.2, expected: 0.02, since: new Date().toISOString() });
    expect(await walkRollout(life.walk)).toEqual({ outcome: 'rolled-back', reason: 'error rate' });
    expect(world).toEqual(new Set(['a', 'b']));
    expect(remains.journal.find(({ entry }) => entry.kind === 'rollback.decided')?.entry.data).toMatchObject({
      measure: 'error rate',
      measured: 0.2,
    });
  });

  it('tells a person when a compensation will not work, and goes on with the others', async () => {
    const { plan, world } = smallRollout({ verifyFails: 'd', compensationFails: 'd' });
    const remains = nothingYet();
    const outcome = await walkRollout(lifeOf(plan, remains).walk);
    expect(outcome).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('rollback incomplete') });
    expect(world).toEqual(new Set(['a', 'b', 'd']));
    const failed = remains.journal.find(({ entry }) => entry.kind === 'compensation.failed');
    expect(failed?.entry.data).toMatchObject({ error: 'the vendor refuses', byHand: expect.stringContaining('d') });
  });
});

describe('an operator', () => {
  let life: Life;
  let seq = 0;
  const say = (life: Life, decision: 'hold' | 'go' | 'abort'): void => {
    seq += 1;
    const about = { seq, id: `ev-${seq}`, at: new Date().toISOString(), rollout: 'small', phase: null, subject: null };
    life.decide({ kind: 'operator.decided', data: { decision, as: 'Ada', note: '' }, ...about });
  };

  it('holds the rollout before its next phase, and lets it go on', async () => {
    const { plan, world } = smallRollout();
    const remains = nothingYet();
    const life = lifeOf(plan, remains);
    say(life, 'hold');
    const walked = walkRollout(life.walk);
    await expect.poll(() => remains.journal.map(({ entry }) => entry.kind)).toContain('phase.held');
    expect(world).toEqual(new Set());
    say(life, 'go');
    expect((await walked).outcome).toBe('completed');
  });

  it('who aborts in a guarded phase has its steps compensated, in reverse', async () => {
    const { plan, effects, world } = smallRollout({ beforeRun: { step: 'd', act: () => say(life, 'abort') } });
    const remains = nothingYet();
    const life = lifeOf(plan, remains);
    expect(await walkRollout(life.walk)).toEqual({ outcome: 'rolled-back', reason: 'aborted by Ada' });
    expect(effects.filter(({ action }) => action === 'compensate').map(({ step }) => step)).toEqual(['d', 'c']);
    expect(world).toEqual(new Set(['a', 'b']));
  });

  it.each([
    ['its gate is measured', { duringGate: () => say(life, 'abort') }],
    ['a step looks', { duringLook: { step: 'd', act: () => say(life, 'abort') } }],
  ])('who aborts a guarded phase while %s has it rolled back', async (_when, faults) => {
    const { plan, world } = smallRollout(faults);
    life = lifeOf(plan, nothingYet());
    expect(await walkRollout(life.walk)).toEqual({ outcome: 'rolled-back', reason: 'aborted by Ada' });
    expect(world).toEqual(new Set(['a', 'b']));
  });

  it('who aborts before production is touched has that phase compensated', async () => {
    const { plan, world } = smallRollout({ beforeRun: { step: 'b', act: () => say(life, 'abort') } });
    const life = lifeOf(plan, nothingYet());
    expect(await walkRollout(life.walk)).toEqual({ outcome: 'rolled-back', reason: 'aborted by Ada' });
    expect(world).toEqual(new Set());
  });

  it('who aborts while a phase is held has the one before compensated', async () => {
    const { plan, world } = smallRollout({ beforeRun: { step: 'b', act: () => say(life, 'hold') } });
    const remains = nothingYet();
    const life = lifeOf(plan, remains);
    const walked = walkRollout(life.walk);
    await expect.poll(() => remains.journal.map(({ entry }) => entry.kind)).toContain('phase.held');
    expect(world).toEqual(new Set(['a', 'b']));
    say(life, 'abort');
    expect((await walked).outcome).toBe('rolled-back');
    expect(world).toEqual(new Set());
  });
});

describe('a rollout whose controller is killed', () => {
  /** Lives until one of them reaches an outcome; each but the last dies at `killAt`. */
  async function liveOn(
    rollout: ReturnType<typeof smallRollout>,
    remains: Remains,
    killAt: number,
  ): Promise<WalkOutcome> {
    try {
      return await walkRollout(lifeOf(rollout.plan, remains, killAt).walk);
    } catch (error) {
      if (!(error instanceof Killed)) throw error;
      return walkRollout(lifeOf(rollout.plan, remains).walk);
    }
  }

  /** Boundaries that a life without a kill passes: each is a kill point. */
  async function killPoints(faults: Parameters<typeof smallRollout>[0]): Promise<number> {
    let points = 0;
    for (; points < 500; points++) {
      try {
        await walkRollout(lifeOf(smallRollout(faults).plan, nothingYet(), points).walk);
        return points;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
    }
    throw new Error('the rollout does not end');
  }

  it.each([
    ['goes to its end', {}, 'completed', ['a', 'b', 'c', 'd']],
    ['is rolled back', { verifyFails: 'd' }, 'rolled-back', ['a', 'b']],
  ] as const)('at any point, %s all the same, with each effect once', async (_name, faults, outcome, world) => {
    const points = await killPoints(faults);
    expect(points).toBeGreaterThan(20);
    for (let killAt = 0; killAt < points; killAt++) {
      const rollout = smallRollout(faults);
      const remains = nothingYet();
      expect((await liveOn(rollout, remains, killAt)).outcome, `killed at ${killAt}`).toBe(outcome);
      expect([...rollout.world].toSorted(), `killed at ${killAt}`).toEqual(world);
      const effects = rollout.effects.map(({ step, action }) => `${action} ${step}`);
      expect(new Set(effects).size, `killed at ${killAt}: ${effects.join(', ')}`).toBe(effects.length);
      const finished = kinds(remains, 'step.finished');
      expect(new Set(finished).size).toBe(finished.length);
    }
  });
});

import { describe, expect, it } from 'vitest';
import { runCrossfade, supervise, type Ended } from './supervise.ts';

/** Plays lives that end as told, and keeps what each was started with. */
function lives(...ends: readonly Ended[]) {
  const started: (readonly string[])[] = [];
  const play = async (args: readonly string[]): Promise<Ended> => {
    started.push(args);
    return ends[started.length - 1] ?? { exitCode: 0, killedBy: null };
  };
  return { started, play };
}

const KILLED: Ended = { exitCode: 137, killedBy: 'SIGKILL' };

describe('a supervised rehearsal', () => {
  it('goes on each time that it is killed, and ends as its last life does', async () => {
    const { started, play } = lives(KILLED, KILLED, { exitCode: 3, killedBy: null });
    expect(await supervise(['rehearse', '--exit'], play)).toBe(3);
    expect(started).toEqual([
      ['rehearse', '--exit'],
      ['rehearse', '--exit', '--resume'],
      ['rehearse', '--exit', '--resume'],
    ]);
  });

  it.each([
    ['by itself', { exitCode: 1, killedBy: null }, 1],
    ['by Ctrl-C', { exitCode: 130, killedBy: null }, 130],
    ['by another signal', { exitCode: 143, killedBy: 'SIGTERM' as const }, 143],
  ])('that ends %s is not started again', async (_name, end, exitCode) => {
    const { started, play } = lives(end);
    expect(await supervise(['rehearse', '--resume'], play)).toBe(exitCode);
    expect(started).toEqual([['rehearse', '--resume']]);
  });

  it('that dies again and again is given up', async () => {
    const { started, play } = lives(...Array.from({ length: 50 }, () => KILLED));
    expect(await supervise(['rehearse'], play)).toBe(137);
    expect(started).toHaveLength(20);
  });
});

it('another crossfade answers with its own exit code', async () => {
  expect(await runCrossfade(['rehearse', '--rate', 'none'], 'stderr')).toEqual({ exitCode: 2, killedBy: null });
});

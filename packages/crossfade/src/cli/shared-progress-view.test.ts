import { describe, expect, it } from 'vitest';
import type { SharedProgress } from '../transfer/shared/shared-progress.ts';
import { createSharedProgressView } from './shared-progress-view.ts';

const MIB = 1024 * 1024;
const worker = (id: string, objectsPerSecond: number) => ({
  id,
  host: 'here',
  pid: 1,
  objects: 10,
  bytes: MIB,
  objectsPerSecond,
  bytesPerSecond: objectsPerSecond * MIB,
});
const workers = [worker('a', 1), worker('b', 2)];
const progress = (done: number): SharedProgress => ({
  partitions: 10,
  done,
  failed: 0,
  objects: done,
  bytes: done * MIB,
  planning: false,
  workers,
});

function viewOn(isTTY: boolean) {
  let written = '';
  let now = 0;
  const write = (text: string): boolean => {
    written += text;
    return true;
  };
  const view = createSharedProgressView({ write, isTTY, columns: 60 }, () => now);
  return {
    view,
    at(seconds: number, shown: SharedProgress): string {
      now = seconds * 1000;
      written = '';
      view.show(shown);
      return written;
    },
    end(): string {
      written = '';
      view.end();
      return written;
    },
  };
}

describe('the progress of a shared copy', () => {
  it('tells the whole, each worker, and how long the rest takes by the partitions that were ended since', () => {
    const { at } = viewOn(false);
    expect(at(0, progress(2))).toBe(
      '2 of 10 partitions, 2 objects, 2.0 MiB; 3/s 3.0 MiB/s\n' +
        '  a: 1/s 1.0 MiB/s, 10 objects, 1.0 MiB\n  b: 2/s 2.0 MiB/s, 10 objects, 1.0 MiB\n',
    );
    expect(at(20, progress(4))).toContain('3/s 3.0 MiB/s; 1 min 0 s left\n');
    expect(at(30, { ...progress(0), partitions: 0, planning: true })).toMatch(/^the keys are cut into partitions\n/);
  });

  it('is a block now and then where there is no terminal, and its last state at the end, once', () => {
    const { at, end } = viewOn(false);
    expect(at(0, progress(2))).toContain('2 of 10');
    expect(at(4, progress(3))).toBe('');
    expect(end()).toContain('3 of 10');
    expect(end()).toBe('');
  });

  it('is written over in place on a terminal, no wider than it, and stays there at the end', () => {
    const { at, end } = viewOn(true);
    expect(at(0, progress(2))).not.toContain('\u001b');
    const second = at(1, progress(3));
    expect(second.startsWith('\u001b[3A\u001b[0J3 of 10')).toBe(true);
    for (const line of second.slice('\u001b[3A\u001b[0J'.length).split('\n')) expect(line.length).toBeLessThan(60);
    expect(end()).toBe('');
    expect(at(2, progress(4))).not.toContain('\u001b');
  });
});

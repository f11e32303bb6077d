import { describe, expect, it } from 'vitest';
import {
  MOST_SENDING,
  nextToStart,
  NO_UPLOADS,
  paceOf,
  reduce,
  uploadId,
  type UploadEvent,
  type UploadState,
} from './upload-state.ts';

const MB = 1_000_000;
const FILE = { name: 'set.wav', size: 100 * MB, lastModified: 1 };
const id = uploadId(FILE);
const at = 0;

const after = (...events: UploadEvent[]) => events.reduce(reduce, NO_UPLOADS);
const added: UploadEvent = { type: 'added', file: FILE };
const started: UploadEvent = { type: 'started', id, at };
const offline: UploadEvent = { type: 'obstructed', obstacle: 'offline' };
const progressed = (part: number, bytes: number, when: number): UploadEvent => ({
  type: 'progressed',
  id,
  part,
  bytes,
  at: when,
});

const WAYS: Readonly<Record<UploadState, readonly UploadEvent[]>> = {
  left: [{ type: 'left', file: FILE, arrived: { 1: 5 } }],
  queued: [added],
  sending: [added, started],
  paused: [added, started, { type: 'paused', id, at }],
  held: [added, started, offline],
  failed: [added, started, { type: 'failed', id, message: 'no' }],
  done: [added, started, { type: 'finished', id, at }],
};

describe('the state of an upload', () => {
  it.each<[UploadState, UploadEvent, UploadState]>([
    ['left', added, 'queued'],
    ['left', { type: 'resumed', id, at }, 'left'],
    ['queued', { type: 'paused', id, at }, 'paused'],
    ['queued', offline, 'held'],
    ['sending', added, 'sending'],
    ['sending', { type: 'paused', id, at }, 'paused'],
    ['sending', offline, 'held'],
    ['paused', started, 'paused'],
    ['paused', { type: 'resumed', id, at }, 'queued'],
    ['paused', offline, 'paused'],
    ['paused', { type: 'failed', id, message: 'late' }, 'paused'],
    ['paused', { type: 'finished', id, at }, 'done'],
    ['held', { type: 'paused', id, at }, 'paused'],
    ['held', { type: 'resumed', id, at }, 'held'],
    ['held', { type: 'cleared', obstacle: 'sign-in' }, 'held'],
    ['held', { type: 'cleared', obstacle: 'offline' }, 'queued'],
    ['failed', { type: 'resumed', id, at }, 'queued'],
    ['failed', added, 'queued'],
    ['done', { type: 'paused', id, at }, 'done'],
    ['done', added, 'queued'],
  ])('%s, when %j comes, is %s', (from, event, to) => {
    const before = after(...WAYS[from]);
    expect(before.list[0]?.state).toBe(from);
    expect(reduce(before, event).list[0]?.state).toBe(to);
  });

  it('stays held until the last obstacle is gone, and says why', () => {
    const held = after(added, offline, { type: 'obstructed', obstacle: 'sign-in' });
    const one = reduce(held, { type: 'cleared', obstacle: 'offline' });
    expect(one.list[0]).toMatchObject({ state: 'held', message: expect.stringContaining('sign') });
    expect(reduce(one, { type: 'cleared', obstacle: 'sign-in' }).list[0]?.state).toBe('queued');
  });

  it('keeps what arrived when the same file is chosen again, but not when it is done', () => {
    expect(reduce(after(...WAYS.left), added).list[0]?.arrived).toEqual({ 1: 5 });
    expect(reduce(after(...WAYS.done), added).list[0]?.arrived).toEqual({});
  });

  it('is the very same when an event changes nothing, so that nobody draws it again', () => {
    const before = after(...WAYS.paused);
    expect(reduce(before, { type: 'paused', id, at })).toBe(before);
    expect(reduce(before, { type: 'started', id: 'somebody else', at })).toBe(before);
  });

  it('lets only a few send at once, oldest first', () => {
    const files = Array.from({ length: 5 }, (_, index) => ({ ...FILE, name: `${index}.wav` }));
    const uploads = after(...files.map((file): UploadEvent => ({ type: 'added', file })));
    expect(nextToStart(uploads)).toEqual(files.slice(0, MOST_SENDING).map(uploadId));
  });
});

describe('the pace of an upload', () => {
  const paceAfter = (now: number, ...events: UploadEvent[]) => {
    const [upload] = after(added, started, ...events).list;
    if (upload === undefined) throw new Error('there is no upload');
    return paceOf(upload, now);
  };

  it('is not told before it can be known', () => {
    expect(paceAfter(500, progressed(1, MB, 500))).toEqual({ rate: null, secondsLeft: null });
  });

  it('is what arrived by what time, and what is left at that', () => {
    expect(paceAfter(2000, progressed(1, 6 * MB, 1000), progressed(2, 4 * MB, 2000))).toEqual({
      rate: 5 * MB,
      secondsLeft: 18,
    });
  });

  it('is that of the last seconds, not of the whole way', () => {
    const slow = Array.from({ length: 20 }, (_, second) => progressed(1, second * 0.1 * MB, second * 1000));
    const fast = Array.from({ length: 10 }, (_, second) =>
      progressed(1, (2 + second * 5) * MB, 20_000 + second * 1000),
    );
    const { rate } = paceAfter(29_000, ...slow, ...fast);
    expect(Math.round((rate ?? 0) / MB)).toBe(5);
  });

  it('falls while nothing moves, to nothing', () => {
    const way = [progressed(1, 10 * MB, 1000)];
    expect(paceAfter(2000, ...way).rate).toBe(5 * MB);
    expect(paceAfter(5000, ...way).rate).toBe(2 * MB);
    expect(paceAfter(20_000, ...way)).toEqual({ rate: 0, secondsLeft: null });
  });

  it('begins anew with each run', () => {
    const way = [progressed(1, 10 * MB, 1000), { type: 'paused', id, at: 2000 }, { type: 'resumed', id, at: 90_000 }];
    const { rate } = paceAfter(
      92_000,
      ...(way as UploadEvent[]),
      { type: 'started', id, at: 90_000 },
      progressed(2, 4 * MB, 92_000),
    );
    expect(rate).toBe(2 * MB);
  });
});

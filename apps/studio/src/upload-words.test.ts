import { describe, expect, it } from 'vitest';
import { NO_UPLOADS, reduce, uploadId, type Upload, type UploadEvent, type Uploads } from './upload-state.ts';
import { announcement, percentOf, shareOf, statusOf } from './upload-words.ts';

const FILE = { name: 'set.wav', size: 80_000_000, lastModified: 1 };
const id = uploadId(FILE);
const start: readonly UploadEvent[] = [
  { type: 'added', file: FILE },
  { type: 'started', id, at: 0 },
];
const after = (...events: readonly UploadEvent[]): Uploads => events.reduce(reduce, NO_UPLOADS);
const only = ({ list: [upload] }: Uploads): Upload => {
  if (upload === undefined) throw new Error('there is no upload');
  return upload;
};

describe('how an upload stands', () => {
  it('is how far, how fast and how long, once that can be known', () => {
    const upload = only(after(...start, { type: 'progressed', id, part: 1, bytes: 20_000_000, at: 5000 }));
    expect(statusOf(upload, 5000)).toBe('25 % · 20.0 MB of 80.0 MB · 4.0 MB/s · 15 s left');
    expect(statusOf(only(after(...start)), 0)).toBe('0 % · 0 B of 80.0 MB');
  });

  it('is told in minutes and hours when it takes long', () => {
    const at = (bytes: number) =>
      statusOf(only(after(...start, { type: 'progressed', id, part: 1, bytes, at: 5000 })), 5000);
    expect(at(2_000_000)).toContain('4 min left');
    expect(at(50_000)).toContain('2 h 14 min left');
  });

  it('says why it waits, and how long still', () => {
    const upload = only(
      after(...start, { type: 'delayed', id, part: 1, until: 9000, message: 'We cannot be reached.' }),
    );
    expect(statusOf(upload, 2000)).toBe('We cannot be reached. Trying again in 7 seconds.');
    expect(statusOf(upload, 20_000)).toContain('in 1 second.');
  });

  it('has words for every other state', () => {
    const way = [...start, { type: 'progressed', id, part: 1, bytes: 20_000_000, at: 1 }] as const;
    expect(statusOf(only(after({ type: 'left', file: FILE, arrived: { 1: 20_000_000 } })), 0)).toBe(
      'Stopped at 25 %. Choose the file again to go on.',
    );
    expect(statusOf(only(after({ type: 'added', file: FILE })), 0)).toBe('Waits for its turn');
    expect(statusOf(only(after(...way, { type: 'paused', id, at: 2 })), 2)).toBe('Paused at 25 %');
    expect(statusOf(only(after(...way, { type: 'obstructed', obstacle: 'offline' })), 2)).toContain('offline');
    expect(statusOf(only(after(...way, { type: 'failed', id, message: 'Too large.' })), 2)).toBe('Too large.');
    expect(statusOf(only(after(...way, { type: 'finished', id, at: 2 })), 2)).toBe('Uploaded · 80.0 MB');
    expect(statusOf(only(after(...way, { type: 'progressed', id, part: 1, bytes: FILE.size, at: 2 })), 2)).toBe(
      'Finishing …',
    );
  });

  it('is never 100 % too early, and makes sense of an empty file', () => {
    const upload = only(after(...start, { type: 'progressed', id, part: 1, bytes: FILE.size - 1, at: 1 }));
    expect(percentOf(upload)).toBe('99 %');
    expect(shareOf({ ...upload, size: 0 })).toBe(0);
    expect(shareOf({ ...upload, size: 0, state: 'done' })).toBe(1);
  });
});

it('announces where uploads came to, and not every per cent of the way', () => {
  const sending = after(...start);
  const further = reduce(sending, { type: 'progressed', id, part: 1, bytes: 5, at: 1 });
  expect(announcement(NO_UPLOADS, sending)).toBe('set.wav: uploading');
  expect(announcement(sending, further)).toBe('');
  expect(announcement(further, reduce(further, { type: 'finished', id, at: 2 }))).toBe('set.wav: Uploaded · 80.0 MB');
});

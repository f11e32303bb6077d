import { describe, expect, it, vi } from 'vitest';
import { StudioError } from './studio-error.ts';
import { createUploadQueue, uploadId, type Memory, type Transport, type Unfinished } from './upload-queue.ts';

const MEBIBYTE = 1024 * 1024;
const PART = 8 * MEBIBYTE;
const file = (mebibytes: number, name = 'set.wav'): File =>
  new File([new Uint8Array(mebibytes * MEBIBYTE)], name, { lastModified: 1 });

/** A Worker that remembers what arrived; `send` can be held back or made to fail. */
function fixture() {
  const arrived: string[] = [];
  const aborted: string[] = [];
  const completed: number[] = [];
  let begun = 0;
  const hooks: { beforeSend: (url: string, signal: AbortSignal) => Promise<void> } = { beforeSend: async () => {} };
  const transport: Transport = {
    async begin(one) {
      begun++;
      if (one.size <= PART) return { kind: 'single', key: 'k', url: `single-${begun}`, headers: {} };
      const parts = Math.ceil(one.size / PART);
      return { kind: 'parts', key: 'k', uploadId: 'u', partSizeBytes: PART, parts, done: [] };
    },
    signParts: async (_key, _id, parts) => parts.map((part) => ({ part, url: `part-${part}` })),
    async send(url, body, _headers, onProgress, signal) {
      await hooks.beforeSend(url, signal);
      signal.throwIfAborted();
      onProgress(body.size);
      arrived.push(url);
      return `etag-${url}`;
    },
    async complete(_key, _id, parts) {
      completed.push(...parts.map((one) => one.part).toSorted());
    },
    async abort(key) {
      aborted.push(key);
    },
  };
  const kept = new Map<string, Unfinished>();
  const memory: Memory = {
    get: (id) => kept.get(id) ?? null,
    set: (id, unfinished) => void (unfinished === null ? kept.delete(id) : kept.set(id, unfinished)),
  };
  const waits: number[] = [];
  const errors: unknown[] = [];
  const make = () =>
    createUploadQueue({
      transport,
      memory,
      onChange: () => {},
      onDone: () => {},
      onError: (error) => errors.push(error),
      wait: async (ms) => void waits.push(ms),
    });
  return { hooks, arrived, aborted, completed, kept, waits, errors, make, begun: () => begun };
}
const state = (queue: ReturnType<ReturnType<typeof fixture>['make']>) => queue.views()[0]?.state;

describe('an upload', () => {
  it('of a small file goes in one piece, of a large one in parts, and says how far it is', async () => {
    const { make, arrived, completed } = fixture();
    const queue = make();
    queue.add(file(1, 'small.wav'), 'audio/wav');
    queue.add(file(20), 'audio/wav');
    await vi.waitFor(() => expect(queue.views().map((one) => one.state)).toEqual(['done', 'done']));
    expect(arrived.toSorted()).toEqual(['part-1', 'part-2', 'part-3', 'single-1']);
    expect(completed).toEqual([1, 2, 3]);
    expect(queue.views().map((one) => [one.sent, one.size])).toEqual([
      [20 * MEBIBYTE, 20 * MEBIBYTE],
      [MEBIBYTE, MEBIBYTE],
    ]);
  });

  it('that is paused keeps its finished parts, and goes on with the missing ones alone', async () => {
    const { make, hooks, arrived, begun } = fixture();
    const held = Promise.withResolvers<void>();
    hooks.beforeSend = (url, signal) =>
      url === 'part-1' ? Promise.resolve() : Promise.race([held.promise, aborting(signal)]);
    const queue = make();
    queue.add(file(20), 'audio/wav');
    await vi.waitFor(() => expect(arrived).toEqual(['part-1']));
    const id = queue.views()[0]?.id ?? '';
    queue.pause(id);
    expect(state(queue)).toBe('paused');
    hooks.beforeSend = async () => {};
    queue.resume(id);
    await vi.waitFor(() => expect(state(queue)).toBe('done'));
    expect(arrived.filter((url) => url === 'part-1')).toHaveLength(1);
    expect(begun()).toBe(1);
  });

  it('goes on after the page was loaded anew, when the same file is chosen again', async () => {
    const { make, hooks, arrived, kept, begun } = fixture();
    hooks.beforeSend = (url, signal) => (url === 'part-3' ? aborting(signal) : Promise.resolve());
    const before = make();
    before.add(file(20), 'audio/wav');
    await vi.waitFor(() => expect(kept.get(uploadId(file(20)))?.done).toHaveLength(2));
    before.pause(uploadId(file(20)));
    hooks.beforeSend = async () => {};
    const after = make();
    after.add(file(20), 'audio/wav');
    await vi.waitFor(() => expect(state(after)).toBe('done'));
    expect(arrived.toSorted()).toEqual(['part-1', 'part-2', 'part-3']);
    expect([begun(), kept.size]).toEqual([1, 0]);
  });

  it('tries again by itself what may pass, waits as long as it is asked to, and fails in the end', async () => {
    const { make, hooks, waits, errors } = fixture();
    hooks.beforeSend = async () => {
      throw new StudioError('RATE_LIMITED', 'too many', {
        mayPass: true,
        retryAfterMs: waits.length === 1 ? 7000 : null,
      });
    };
    const queue = make();
    queue.add(file(1), 'audio/wav');
    await vi.waitFor(() => expect(state(queue)).toBe('failed'));
    expect(waits).toEqual([500, 7000, 6000]);
    expect(errors).toHaveLength(1);
    hooks.beforeSend = async () => {};
    queue.resume(queue.views()[0]?.id ?? '');
    await vi.waitFor(() => expect(state(queue)).toBe('done'));
  });

  it('does not try again what will not pass', async () => {
    const { make, hooks, waits } = fixture();
    hooks.beforeSend = async () => {
      throw new StudioError('FILE_TOO_LARGE', 'too large');
    };
    const queue = make();
    queue.add(file(1), 'audio/wav');
    await vi.waitFor(() => expect(queue.views()[0]).toMatchObject({ state: 'failed', message: 'too large' }));
    expect(waits).toEqual([]);
  });

  it('pauses by itself while there is no network', async () => {
    const { make, hooks, arrived } = fixture();
    hooks.beforeSend = (_url, signal) => aborting(signal);
    const queue = make();
    queue.add(file(1), 'audio/wav');
    queue.setOnline(false);
    expect(state(queue)).toBe('paused');
    hooks.beforeSend = async () => {};
    queue.setOnline(true);
    await vi.waitFor(() => expect(state(queue)).toBe('done'));
    expect(arrived).toHaveLength(1);
  });

  it('that is given up is forgotten, and its quota given back', async () => {
    const { make, hooks, aborted, kept } = fixture();
    hooks.beforeSend = (_url, signal) => aborting(signal);
    const queue = make();
    queue.add(file(20), 'audio/wav');
    await vi.waitFor(() => expect(kept.size).toBe(1));
    queue.cancel(uploadId(file(20)));
    await vi.waitFor(() => expect(aborted).toEqual(['k']));
    expect([queue.views().length, kept.size]).toEqual([0, 0]);
  });
});

/** Never answers, until it is aborted. */
function aborting(signal: AbortSignal): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
}

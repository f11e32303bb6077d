import { vi } from 'vitest';
import { StudioError } from './studio-error.ts';
import { createUploadQueue, type Memory, type Outcome } from './upload-queue.ts';
import type { SentPart, Transport, Unfinished } from './upload-run.ts';
import { sentOf, uploadId, type FileFacts, type Upload } from './upload-state.ts';

/** Parts of ten bytes, and everything above them goes in parts: what counts is how many there are. */
export const PART = 10;
const HOUR_MS = 3_600_000;

export const file = (size: number, name = 'set.wav'): File => new File(['x'.repeat(size)], name, { lastModified: 1 });

interface Sending {
  /** `part-2`, or the link of a whole file. */
  readonly url: string;
  readonly signal: AbortSignal;
  readonly onProgress: (bytes: number) => void;
}

/** Never answers, until it is aborted. */
export function never({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  return new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError')));
  });
}
export const soon = async (): Promise<void> => {};
export function failing(error: StudioError): () => Promise<never> {
  return async () => {
    throw error;
  };
}

/** A Worker that remembers what it was asked; each of its answers can be held back or made to fail. */
export function fixture() {
  const asked: string[] = [];
  const arrived: string[] = [];
  const completed: (readonly SentPart[])[] = [];
  /** Keys that were handed out, and those whose file is there. */
  const opened = new Set<string>();
  const there = new Set<string>();
  const hooks = {
    begin: soon as () => Promise<void>,
    send: soon as (sending: Sending) => Promise<void>,
    complete: soon as () => Promise<void>,
    arrived: soon as () => Promise<void>,
    /** The bucket itself answers, not the Worker. */
    pastTheWorker: false,
  };
  const clock = { now: Date.UTC(2026, 0, 1) };
  let begun = 0;
  let sendingNow = 0;
  let mostSending = 0;
  const transport: Transport = {
    async begin(one) {
      const number = ++begun;
      const key = `key-${number}`;
      asked.push(`begin ${one.name}`);
      await hooks.begin();
      opened.add(key);
      const expiresAt = new Date(clock.now + HOUR_MS).toISOString();
      if (one.size <= PART) return { kind: 'single', key, url: `whole-${number}`, headers: {}, expiresAt };
      const parts = Math.ceil(one.size / PART);
      return { kind: 'parts', key, uploadId: `id-${number}`, partSizeBytes: PART, parts, done: [], expiresAt };
    },
    async signParts(_key, _id, parts) {
      asked.push(`sign ${parts.join()}`);
      return parts.map((part) => ({ part, url: `part-${part}` }));
    },
    async send(url, body, _headers, onProgress, signal) {
      mostSending = Math.max(mostSending, ++sendingNow);
      try {
        await hooks.send({ url, signal, onProgress });
        signal.throwIfAborted();
        onProgress(body.size);
        arrived.push(`${url} ${body.size}`);
        if (url.startsWith('whole')) there.add(url.replace('whole', 'key'));
        return hooks.pastTheWorker ? null : `etag-${url}`;
      } finally {
        sendingNow--;
      }
    },
    async arrived(key) {
      asked.push(`arrived ${key}`);
      await hooks.arrived();
    },
    async complete(key, _id, parts) {
      await hooks.complete();
      there.add(key);
      completed.push(parts);
    },
    async abort(key, id) {
      asked.push(`abort ${key} ${id}`);
    },
  };
  const kept = new Map<string, { file: FileFacts; unfinished: Unfinished }>();
  const memory: Memory = {
    get: (one) => kept.get(uploadId(one))?.unfinished ?? null,
    set: (one, unfinished) =>
      void (unfinished === null ? kept.delete(uploadId(one)) : kept.set(uploadId(one), { file: one, unfinished })),
    list: () => [...kept.values()],
  };
  const waits: number[] = [];
  const outcomes: Outcome[] = [];
  const signIns: string[] = [];
  const make = () =>
    createUploadQueue({
      transport,
      memory,
      onEnd: (outcome) => outcomes.push(outcome),
      onSignInNeeded: (error) => signIns.push(error.code),
      now: () => clock.now,
      wait: async (ms) => void waits.push(ms),
    });
  return {
    hooks,
    asked,
    arrived,
    opened,
    there,
    completed,
    kept,
    waits,
    outcomes,
    signIns,
    clock,
    make,
    mostSending: () => mostSending,
  };
}
type Queue = ReturnType<ReturnType<typeof fixture>['make']>;

/** The upload that was added last. */
export function newest(queue: Queue): Upload {
  const upload = queue.uploads().list.at(-1);
  if (upload === undefined) throw new Error('the queue is empty');
  return upload;
}
export const reaches = (queue: Queue, state: Upload['state']): Promise<void> =>
  vi.waitFor(() => {
    if (newest(queue).state !== state) throw new Error(`${newest(queue).state}: ${newest(queue).message}`);
  });
export const sent = (queue: Queue): number => sentOf(newest(queue));

/** Until every promise that can be kept now is kept. */
export const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));

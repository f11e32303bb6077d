import { needsSignIn, type Obstacle } from './messages.ts';
import { asStudioError, type StudioError } from './studio-error.ts';
import { createPlaces } from './places.ts';
import {
  finishedOf,
  runUpload,
  type Begun,
  type Run,
  type Transport,
  type Unfinished,
  type UploadFile,
} from './upload-run.ts';
import {
  nextToStart,
  NO_UPLOADS,
  reduce,
  uploadId,
  type FileFacts,
  type UploadEvent,
  type Uploads,
} from './upload-state.ts';

/** So many requests send bytes at once, over all uploads: a browser opens six to a host, and previews need some too. */
const MOST_SENDERS = 3;

/** Keeps what is unfinished between two visits; a browser's storage, or nothing. */
export interface Memory {
  get(file: FileFacts): Unfinished | null;
  set(file: FileFacts, unfinished: Unfinished | null): void;
  list(): readonly { readonly file: FileFacts; readonly unfinished: Unfinished }[];
}

/** What became of an upload; `error` is `null` when it arrived. */
export interface Outcome {
  /** Since it began to send this time, ms. */
  readonly ms: number;
  readonly error: StudioError | null;
}

export interface UploadQueue {
  add(file: UploadFile, contentType: string): void;
  pause(id: string): void;
  /** Goes on after a pause or a failure. */
  resume(id: string): void;
  /** Gives the upload up, or forgets one that is done. */
  cancel(id: string): void;
  /** An obstacle came or went: what is held back by it goes on by itself. */
  setObstacle(obstacle: Obstacle, there: boolean): void;
  /** Stops everything; what is unfinished stays in the memory. */
  close(): void;
  uploads(): Uploads;
  /** Calls `listener` after every change; answers with what ends that. */
  subscribe(listener: () => void): () => void;
}

/** What an upload needs besides its state: the file, and the run that is under way. */
interface Work {
  file: UploadFile;
  readonly contentType: string;
  begun: Begun | null;
  stop: AbortController;
  /** The end of the run before: two runs of one upload would begin it twice. */
  ended: Promise<void>;
  cancelled: boolean;
}

const pick = ({ name, size, lastModified }: FileFacts): FileFacts => ({ name, size, lastModified });

/** Uploads that can be paused, go on where they stopped, and try again by themselves. The states: `upload-state.ts`. */
export function createUploadQueue(options: {
  readonly transport: Transport;
  readonly memory: Memory;
  readonly onEnd?: (outcome: Outcome) => void;
  /** The API wants a sign-in; until `setObstacle('sign-in', false)` everything is held. */
  readonly onSignInNeeded?: (error: StudioError) => void;
  readonly wait?: Run['wait'];
  readonly now?: () => number;
}): UploadQueue {
  const { transport, memory, onEnd, onSignInNeeded, wait = waitFor, now = Date.now } = options;
  const works = new Map<string, Work>();
  const listeners = new Set<() => void>();
  const takePlace = createPlaces(MOST_SENDERS);
  let uploads = NO_UPLOADS;

  function tell(event: UploadEvent): void {
    const before = uploads;
    uploads = reduce(uploads, event);
    if (uploads === before) return;
    for (const { id, state } of before.list) if (state === 'sending' && stateOf(id) !== 'sending') stopRun(id);
    for (const listener of listeners) listener();
    for (let [id] = nextToStart(uploads); id !== undefined; [id] = nextToStart(uploads)) start(id);
  }
  const stateOf = (id: string): string | undefined => uploads.list.find((upload) => upload.id === id)?.state;

  /** A run exists exactly while its upload is `sending`. Of what was on its way only finished parts count. */
  function stopRun(id: string): void {
    const work = works.get(id);
    if (work === undefined || stateOf(id) === 'done') return;
    work.stop.abort();
    uploads = reduce(uploads, { type: 'rewound', id, arrived: finishedOf(work.file.size, work.begun), at: now() });
  }

  /** Frees the quota of an upload that will not come; if this fails, it is free by itself within the day. */
  const release = (begun: Begun): void =>
    void transport.abort(begun.key, begun.kind === 'parts' ? begun.uploadId : null).catch(() => {});

  function keep(work: Work, begun: Begun | null): void {
    // Given up while the Worker was still opening it: nobody else knows of it.
    if (work.cancelled) return void (begun !== null && release(begun));
    work.begun = begun;
    memory.set(pick(work.file), begun?.kind === 'parts' ? begun : null);
  }

  function start(id: string): void {
    const work = works.get(id);
    if (work === undefined) return tell({ type: 'removed', id, at: now() });
    const stop = new AbortController();
    work.stop = stop;
    const before = work.ended;
    work.ended = before.then(() => perform(id, work, stop.signal));
    tell({ type: 'started', id, at: now() });
  }

  async function perform(id: string, work: Work, signal: AbortSignal): Promise<void> {
    const startedAt = now();
    try {
      if (signal.aborted) return;
      await runUpload({
        file: work.file,
        contentType: work.contentType,
        begun: work.begun,
        transport,
        signal,
        takePlace,
        wait,
        keep: (begun) => keep(work, begun),
        progressed: (part, bytes) => tell({ type: 'progressed', id, part, bytes, at: now() }),
        delayed: (part, ms, message) => tell({ type: 'delayed', id, part, until: now() + ms, message }),
        tried: (part) => tell({ type: 'tried', id, part }),
        rewound: (begun) => tell({ type: 'rewound', id, arrived: finishedOf(work.file.size, begun), at: now() }),
        now,
      });
      keep(work, null);
      works.delete(id);
      tell({ type: 'finished', id, at: now() });
      onEnd?.({ ms: now() - startedAt, error: null });
    } catch (thrown) {
      // Pausing and giving up end the requests: that is no failure.
      if (signal.aborted) return;
      const error = asStudioError(thrown);
      if (needsSignIn(error.code)) {
        queue.setObstacle('sign-in', true);
        onSignInNeeded?.(error);
        return;
      }
      tell({ type: 'failed', id, message: error.message });
      onEnd?.({ ms: now() - startedAt, error });
    }
  }

  const queue: UploadQueue = {
    add(file, contentType) {
      const id = uploadId(file);
      const earlier = works.get(id);
      if (earlier === undefined) {
        const known = memory.get(pick(file));
        const begun: Begun | null = known === null ? null : { kind: 'parts', ...known };
        const stop = new AbortController();
        works.set(id, { file, contentType, begun, stop, ended: Promise.resolve(), cancelled: false });
      } else if (stateOf(id) !== 'sending') {
        // The one chosen before may be unreadable by now.
        earlier.file = file;
      }
      tell({ type: 'added', file: pick(file) });
    },
    pause: (id) => tell({ type: 'paused', id, at: now() }),
    resume: (id) => tell({ type: 'resumed', id, at: now() }),
    cancel(id) {
      const work = works.get(id);
      const left = memory.list().find(({ file }) => uploadId(file) === id);
      works.delete(id);
      if (work !== undefined) {
        work.cancelled = true;
        work.stop.abort();
        if (work.begun !== null) release(work.begun);
        memory.set(pick(work.file), null);
      } else if (left !== undefined) {
        release({ kind: 'parts', ...left.unfinished });
        memory.set(left.file, null);
      }
      tell({ type: 'removed', id, at: now() });
    },
    setObstacle: (obstacle, there) => tell({ type: there ? 'obstructed' : 'cleared', obstacle }),
    close() {
      listeners.clear();
      for (const work of works.values()) work.stop.abort();
      works.clear();
      uploads = NO_UPLOADS;
    },
    uploads: () => uploads,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };

  for (const { file, unfinished } of memory.list())
    tell({ type: 'left', file, arrived: finishedOf(file.size, { kind: 'parts', ...unfinished }) });
  return queue;
}

function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(new DOMException('stopped', 'AbortError'));
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
}

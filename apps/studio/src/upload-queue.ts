import { StudioError } from './studio-error.ts';
import { messageFor, OFFLINE } from './messages.ts';

/** Above this size a file goes in parts, so that it can be paused and go on, bytes. */
export const RESUMABLE_BYTES = 8 * 1024 * 1024;
const PARTS_AT_ONCE = 3;
/** Waits before a part is tried again, ms; the vendor's own wish goes first. */
const WAITS_MS = [500, 2000, 6000];

export type UploadState = 'running' | 'paused' | 'done' | 'failed';

export interface UploadView {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  /** Bytes that have arrived. */
  readonly sent: number;
  readonly state: UploadState;
  readonly message: string;
  /** Seconds left at the present rate; `null` when nobody can tell. */
  readonly secondsLeft: number | null;
}

/** What is needed to go on after the page was loaded anew. */
export interface Unfinished {
  readonly key: string;
  readonly uploadId: string;
  readonly partSizeBytes: number;
  readonly parts: number;
  readonly done: readonly { part: number; etag: string }[];
}
export type Begun =
  | { readonly kind: 'single'; readonly key: string; readonly url: string; readonly headers: Record<string, string> }
  | ({ readonly kind: 'parts' } & Unfinished);

/** The Worker's side of an upload. Methods throw `StudioError`. */
export interface Transport {
  begin(file: File, contentType: string): Promise<Begun>;
  signParts(key: string, uploadId: string, parts: readonly number[]): Promise<readonly { part: number; url: string }[]>;
  /** Sends bytes and answers with their ETag. Rejects with an AbortError when `signal` fires. */
  send(
    url: string,
    body: Blob,
    headers: Record<string, string>,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<string>;
  complete(key: string, uploadId: string, parts: readonly { part: number; etag: string }[]): Promise<void>;
  abort(key: string, uploadId: string | null): Promise<void>;
}

/** Keeps what is unfinished between two visits; a browser's storage, or nothing. */
export interface Memory {
  get(id: string): Unfinished | null;
  set(id: string, unfinished: Unfinished | null): void;
}

interface Upload {
  readonly id: string;
  readonly file: File;
  readonly contentType: string;
  begun: Begun | null;
  state: UploadState;
  message: string;
  /** Part → bytes of it that have arrived. */
  readonly arrived: Map<number, number>;
  startedAt: number;
  sentBefore: number;
  stop: AbortController;
}

export interface UploadQueue {
  add(file: File, contentType: string): void;
  pause(id: string): void;
  resume(id: string): void;
  cancel(id: string): void;
  /** The network went away: what runs is paused, and goes on when it is back. */
  setOnline(online: boolean): void;
  views(): readonly UploadView[];
}

/** The same file, chosen again, is the same upload. */
export function uploadId(file: Pick<File, 'name' | 'size' | 'lastModified'>): string {
  return `${file.name}/${file.size}/${file.lastModified}`;
}

/** Uploads that can be paused, go on where they stopped, and try again by themselves. `onChange` hears of every step. */
export function createUploadQueue(options: {
  readonly transport: Transport;
  readonly memory: Memory;
  readonly onChange: () => void;
  readonly onDone: () => void;
  readonly onError: (error: unknown) => void;
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>;
}): UploadQueue {
  const { transport, memory, onChange, onDone, onError, wait = waitFor } = options;
  const uploads = new Map<string, Upload>();
  const pausedOffline = new Set<string>();

  const sentOf = (upload: Upload): number => [...upload.arrived.values()].reduce((sum, bytes) => sum + bytes, 0);
  const set = (upload: Upload, state: UploadState, message = ''): void => {
    upload.state = state;
    upload.message = message;
    onChange();
  };

  /** One try, and up to three more for what may pass; a link that ended is asked for again by the caller. */
  async function trying<Answer>(signal: AbortSignal, attempt: () => Promise<Answer>): Promise<Answer> {
    for (const ms of [...WAITS_MS, null]) {
      try {
        signal.throwIfAborted();
        return await attempt();
      } catch (error) {
        const again = error instanceof StudioError && error.mayPass;
        if (!again || ms === null || signal.aborted) throw error;
        await wait(error.retryAfterMs ?? ms, signal);
      }
    }
    throw new StudioError('OFFLINE', OFFLINE);
  }

  async function sendSingle(upload: Upload, signal: AbortSignal): Promise<void> {
    await trying(signal, async () => {
      // A link serves for a while only: each try takes its own.
      const begun = await transport.begin(upload.file, upload.contentType);
      if (begun.kind !== 'single') throw new StudioError('INTERNAL', messageFor('INTERNAL'));
      upload.begun = begun;
      signal.throwIfAborted();
      const note = (bytes: number): void => {
        upload.arrived.set(1, bytes);
        onChange();
      };
      await transport.send(begun.url, upload.file, begun.headers, note, signal);
      note(upload.file.size);
    });
  }

  async function sendPart(
    upload: Upload,
    begun: Unfinished,
    part: number,
    signal: AbortSignal,
  ): Promise<{ part: number; etag: string }> {
    const from = (part - 1) * begun.partSizeBytes;
    const body = upload.file.slice(from, from + begun.partSizeBytes);
    const note = (bytes: number): void => {
      upload.arrived.set(part, bytes);
      onChange();
    };
    const etag = await trying(signal, async () => {
      const [signed] = await transport.signParts(begun.key, begun.uploadId, [part]);
      if (signed === undefined) throw new StudioError('INTERNAL', messageFor('INTERNAL'));
      return transport.send(signed.url, body, {}, note, signal);
    });
    note(body.size);
    return { part, etag };
  }

  async function sendParts(upload: Upload, begun: Unfinished, outer: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const signal = AbortSignal.any([outer, failed.signal]);
    const done = new Map(begun.done.map((one) => [one.part, one.etag]));
    for (const part of done.keys()) upload.arrived.set(part, sizeOfPart(upload.file.size, begun, part));
    const missing = Array.from({ length: begun.parts }, (_, index) => index + 1).filter((part) => !done.has(part));
    const worker = async (): Promise<void> => {
      for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
        signal.throwIfAborted();
        const sent = await sendPart(upload, begun, part, signal);
        done.set(sent.part, sent.etag);
        const finished = [...done].map(([number, etag]) => ({ part: number, etag }));
        upload.begun = { ...begun, kind: 'parts', done: finished };
        memory.set(upload.id, { ...begun, done: finished });
      }
    };
    const workers = Array.from({ length: PARTS_AT_ONCE }, worker);
    try {
      await Promise.all(workers);
    } catch (error) {
      // The others end too: a pause means that nothing is under way, a failure that nothing is wasted.
      failed.abort();
      await Promise.allSettled(workers);
      throw error;
    }
    const parts = [...done].map(([part, etag]) => ({ part, etag }));
    await trying(outer, () => transport.complete(begun.key, begun.uploadId, parts));
    memory.set(upload.id, null);
  }

  /** The upload in parts that this file has begun, here or at an earlier visit, or a new one. */
  async function partsOf(upload: Upload, signal: AbortSignal): Promise<Unfinished> {
    const known = upload.begun?.kind === 'parts' ? upload.begun : memory.get(upload.id);
    if (known !== null) return known;
    const begun = await trying(signal, () => transport.begin(upload.file, upload.contentType));
    if (begun.kind === 'single') throw new StudioError('INTERNAL', messageFor('INTERNAL'));
    return begun;
  }

  async function run(upload: Upload): Promise<void> {
    // Its own: a run that was paused ends by this, whatever the next one is doing by then.
    const stop = new AbortController();
    upload.stop = stop;
    upload.startedAt = Date.now();
    upload.sentBefore = sentOf(upload);
    set(upload, 'running');
    try {
      if (upload.file.size <= RESUMABLE_BYTES) await sendSingle(upload, stop.signal);
      else {
        const begun = await partsOf(upload, stop.signal);
        upload.begun = { ...begun, kind: 'parts' };
        memory.set(upload.id, begun);
        await sendParts(upload, begun, stop.signal);
      }
      set(upload, 'done', 'Uploaded');
      onDone();
    } catch (error) {
      // Pausing and giving up end the requests: that is no failure.
      if (stop.signal.aborted) return;
      if (error instanceof StudioError && error.code === 'UPLOAD_INVALID') memory.set(upload.id, null);
      set(upload, 'failed', error instanceof Error ? error.message : messageFor('INTERNAL'));
      onError(error);
    }
  }

  const queue: UploadQueue = {
    add(file, contentType) {
      const id = uploadId(file);
      const earlier = uploads.get(id);
      if (earlier?.state === 'running') return;
      const upload: Upload = {
        id,
        file,
        contentType,
        begun: earlier?.begun ?? null,
        state: 'running',
        message: '',
        arrived: new Map(),
        startedAt: 0,
        sentBefore: 0,
        stop: new AbortController(),
      };
      uploads.delete(id);
      uploads.set(id, upload);
      void run(upload);
    },
    pause(id) {
      const upload = uploads.get(id);
      if (upload?.state !== 'running') return;
      set(upload, 'paused', 'Paused');
      upload.stop.abort();
    },
    resume(id) {
      const upload = uploads.get(id);
      if (upload?.state === 'paused' || upload?.state === 'failed') void run(upload);
    },
    cancel(id) {
      const upload = uploads.get(id);
      if (upload === undefined || upload.state === 'done') return;
      set(upload, 'paused');
      upload.stop.abort();
      uploads.delete(id);
      memory.set(id, null);
      onChange();
      const { begun } = upload;
      // What was set aside of the quota is free again at once; if this fails, it is by itself within the day.
      if (begun !== null) transport.abort(begun.key, begun.kind === 'parts' ? begun.uploadId : null).catch(onError);
    },
    setOnline(online) {
      for (const upload of uploads.values()) {
        if (!online && upload.state === 'running') {
          queue.pause(upload.id);
          set(upload, 'paused', 'You are offline. It goes on by itself.');
          pausedOffline.add(upload.id);
        }
        if (online && pausedOffline.delete(upload.id)) queue.resume(upload.id);
      }
    },
    views: () =>
      [...uploads.values()].toReversed().map((upload) => {
        const { id, file, state, message } = upload;
        const sent = Math.min(file.size, sentOf(upload));
        const seconds = (Date.now() - upload.startedAt) / 1000;
        const rate = seconds > 0 ? (sent - upload.sentBefore) / seconds : 0;
        const secondsLeft = state === 'running' && rate > 0 ? Math.ceil((file.size - sent) / rate) : null;
        return { id, name: file.name, size: file.size, sent, state, message, secondsLeft };
      }),
  };
  return queue;
}

function sizeOfPart(size: number, { partSizeBytes, parts }: Unfinished, part: number): number {
  return part < parts ? partSizeBytes : size - (parts - 1) * partSizeBytes;
}

function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('paused', 'AbortError'));
    });
  });
}

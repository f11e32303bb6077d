import { messageFor, reasonFor } from './messages.ts';
import { StudioError } from './studio-error.ts';

/** What is needed to go on with an upload in parts, also after the page was loaded anew. */
export interface Unfinished {
  readonly key: string;
  readonly uploadId: string;
  readonly partSizeBytes: number;
  readonly parts: number;
  readonly done: readonly SentPart[];
  readonly expiresAt: string;
}
export interface SentPart {
  readonly part: number;
  readonly etag: string;
}
export type Begun =
  | {
      readonly kind: 'single';
      readonly key: string;
      readonly url: string;
      readonly headers: Record<string, string>;
      readonly expiresAt: string;
    }
  | ({ readonly kind: 'parts' } & Unfinished);

/** As much of a browser's `File` as an upload needs. */
export type UploadFile = Pick<File, 'name' | 'size' | 'lastModified' | 'slice'>;

/** The Worker's side of an upload. Methods throw `StudioError`. */
export interface Transport {
  begin(file: UploadFile, contentType: string): Promise<Begun>;
  signParts(key: string, uploadId: string, parts: readonly number[]): Promise<readonly { part: number; url: string }[]>;
  /**
   * Sends bytes and answers with their ETag; `null` when the link led past the Worker, which then knows nothing of it.
   * Rejects with an AbortError when `signal` fires.
   */
  send(
    url: string,
    body: Blob,
    headers: Record<string, string>,
    onProgress: (bytes: number) => void,
    signal: AbortSignal,
  ): Promise<string | null>;
  /** Tells the Worker that a file arrived which was sent past it. */
  arrived(key: string): Promise<void>;
  complete(key: string, uploadId: string, parts: readonly SentPart[]): Promise<void>;
  /** Gives up what was begun: the bytes, and the quota that was set aside for them. */
  abort(key: string, uploadId: string | null): Promise<void>;
}

export interface Run {
  readonly file: UploadFile;
  readonly contentType: string;
  /** What an earlier run of the same file has begun. */
  readonly begun: Begun | null;
  readonly transport: Transport;
  readonly signal: AbortSignal;
  /** Takes a place among the requests that send bytes; answers with what gives it back. */
  takePlace(signal: AbortSignal): Promise<() => void>;
  /** Rejects with an AbortError when `signal` fires. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** Remembers what was begun; `null` when there is nothing to go on with. */
  keep(begun: Begun | null): void;
  progressed(part: number, bytes: number): void;
  delayed(part: number, waitMs: number, message: string): void;
  tried(part: number): void;
  /** Only what is finished counts from here on. */
  rewound(begun: Begun | null): void;
  /** Epoch ms. */
  now(): number;
}

const PARTS_AT_ONCE = 3;
/** Waits before a try is repeated, ms; the API's own wish goes first. */
const WAITS_MS = [500, 2000, 6000];
/** Where the delay of a request belongs that is not of one part: opening and completing. */
const WHOLE = 0;
/** The upload that was begun has ended: a new one can take its place without the person. */
const OVER: ReadonlySet<string> = new Set(['UPLOAD_OVER', 'UPLOAD_INVALID', 'UPLOAD_INCOMPLETE']);
/** So often a new upload takes the place of one that is over, before the person is asked. */
const RESTARTS = 1;

const codeOf = (error: unknown): string => (error instanceof StudioError ? error.code : '');

/** Whether a new upload has to take the place of this one. A part's link that ended is not the upload's end. */
function isOver(begun: Begun, code: string): boolean {
  return OVER.has(code) || (begun.kind === 'single' && code === 'SIGNATURE_EXPIRED');
}

/** Uploads a file, going on where `begun` stopped. @throws StudioError when all tries are used up */
export async function runUpload(run: Run): Promise<void> {
  let { begun } = run;
  for (let restarts = 0; ; restarts++) {
    const isNew = begun === null;
    begun ??= await open(run);
    try {
      run.signal.throwIfAborted();
      run.rewound(begun);
      return await (begun.kind === 'single' ? sendWhole(run, begun, isNew) : sendParts(run, begun));
    } catch (error) {
      const isSpoilt = codeOf(error) === 'LENGTH_MISMATCH';
      if (run.signal.aborted || !(isSpoilt || isOver(begun, codeOf(error)))) throw error;
      await giveUp(run, begun);
      if (isSpoilt || restarts === RESTARTS) throw error;
      begun = null;
    }
  }
}

/** Asks for a new upload. A pause does not stop this: what was begun must be known, or its quota would be lost. */
async function open(run: Run): Promise<Begun> {
  const begun = await trying(run, WHOLE, () => run.transport.begin(run.file, run.contentType));
  run.keep(begun);
  return begun;
}

/** Frees what was set aside for an upload that is over; if that fails, it is free by itself within the day. */
async function giveUp({ transport, keep, rewound }: Run, begun: Begun): Promise<void> {
  keep(null);
  rewound(null);
  const release = (uploadId: string | null): Promise<void> => transport.abort(begun.key, uploadId);
  await (begun.kind === 'single' ? release(null) : release(begun.uploadId).catch(() => release(null))).catch(() => {});
}

/** One try, and up to three more for what may pass. */
async function trying<Answer>(run: Run, part: number, attempt: () => Promise<Answer>): Promise<Answer> {
  for (let tries = 0; ; tries++) {
    try {
      run.signal.throwIfAborted();
      return await attempt();
    } catch (error) {
      const pause = WAITS_MS[tries];
      if (!(error instanceof StudioError) || !error.mayPass || pause === undefined || run.signal.aborted) throw error;
      const waitMs = error.retryAfterMs ?? pause;
      run.delayed(part, waitMs, reasonFor(error.code));
      await run.wait(waitMs, run.signal);
      run.tried(part);
    }
  }
}

/** The bytes of one request, in their turn. */
async function send(
  run: Run,
  part: number,
  body: Blob,
  link: { url: string; headers: Record<string, string> },
  signal: AbortSignal,
): Promise<string | null> {
  const etag = await run.transport.send(link.url, body, link.headers, (bytes) => run.progressed(part, bytes), signal);
  run.progressed(part, body.size);
  return etag;
}

/** The link stays the same over all tries: if only the answer was lost, the Worker knows the file by its key. */
async function sendWhole(run: Run, begun: Extract<Begun, { kind: 'single' }>, isNew: boolean): Promise<void> {
  const { file, signal } = run;
  // A clock that is wrong must not end a link that has just come.
  let mayHaveEnded = !isNew;
  const etag = await trying(run, 1, async () => {
    const leave = await run.takePlace(signal);
    try {
      // The refusal of a link that ended gets lost when the connection breaks over the bytes: better not to send them.
      if (mayHaveEnded && Date.parse(begun.expiresAt) <= run.now()) throw new StudioError('SIGNATURE_EXPIRED');
      mayHaveEnded = true;
      run.progressed(1, 0);
      return await send(run, 1, file.slice(0, file.size), begun, signal);
    } finally {
      leave();
    }
  });
  if (etag === null) await trying(run, WHOLE, () => run.transport.arrived(begun.key));
}

function sizeOfPart(size: number, { partSizeBytes, parts }: Unfinished, part: number): number {
  return part < parts ? partSizeBytes : size - (parts - 1) * partSizeBytes;
}

/** Part → bytes of what is finished: all that counts when a run is stopped. */
export function finishedOf(size: number, begun: Begun | null): Record<number, number> {
  if (begun?.kind !== 'parts') return {};
  return Object.fromEntries(begun.done.map(({ part }) => [part, sizeOfPart(size, begun, part)]));
}

/** Each try signs its own link: one that ended while the try waited is replaced thereby. */
async function sendPart(run: Run, begun: Unfinished, part: number): Promise<SentPart> {
  const { file, signal, transport } = run;
  const from = (part - 1) * begun.partSizeBytes;
  const body = file.slice(from, from + sizeOfPart(file.size, begun, part));
  const attempt = async (): Promise<string> => {
    const leave = await run.takePlace(signal);
    try {
      const [signed] = await transport.signParts(begun.key, begun.uploadId, [part]);
      if (signed === undefined) throw new StudioError('INTERNAL');
      run.progressed(part, 0);
      const etag = await send(run, part, body, { url: signed.url, headers: {} }, signal);
      // Parts come through the Worker alone: whoever answered, it was not the Worker.
      if (etag === null) throw new StudioError('UNREACHABLE');
      return etag;
    } catch (error) {
      if (codeOf(error) !== 'SIGNATURE_EXPIRED') throw error;
      // Not the upload is over but this link: the next try takes a new one, and need not wait for it.
      throw new StudioError('SIGNATURE_EXPIRED', messageFor('SIGNATURE_EXPIRED'), { mayPass: true, retryAfterMs: 0 });
    } finally {
      leave();
    }
  };
  return { part, etag: await trying(run, part, attempt) };
}

async function sendParts(outer: Run, begun: Unfinished): Promise<void> {
  const failed = new AbortController();
  const run: Run = { ...outer, signal: AbortSignal.any([outer.signal, failed.signal]) };
  const done = new Map(begun.done.map(({ part, etag }) => [part, etag]));
  const finished = (): SentPart[] =>
    [...done].map(([part, etag]) => ({ part, etag })).toSorted((a, b) => a.part - b.part);
  const missing = Array.from({ length: begun.parts }, (_, index) => index + 1).filter((part) => !done.has(part));
  const sender = async (): Promise<void> => {
    for (let part = missing.shift(); part !== undefined; part = missing.shift()) {
      const sent = await sendPart(run, begun, part);
      done.set(sent.part, sent.etag);
      run.keep({ ...begun, kind: 'parts', done: finished() });
    }
  };
  // The first failure stops the others, and all have ended before anybody hears of it: then nothing is under way.
  const senders = Array.from({ length: PARTS_AT_ONCE }, () =>
    sender().catch((error: unknown) => {
      failed.abort(error);
      throw error;
    }),
  );
  await Promise.allSettled(senders);
  outer.signal.throwIfAborted();
  failed.signal.throwIfAborted();
  await trying(outer, WHOLE, () => outer.transport.complete(begun.key, begun.uploadId, finished()));
}

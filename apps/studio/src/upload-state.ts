import { OBSTACLES, type Obstacle } from './messages.ts';

/*
 * An upload's life. `reduce` is the only place where it changes.
 *
 *   left ──► queued ◄──► sending ──► done
 *              ▲            │
 *              └── paused, held, failed
 *
 * left     Begun at an earlier visit; the browser has no file for it. Exit: the same file is chosen again.
 * queued   Waits for its turn. Entry: a file was chosen, or it goes on after a stop. Exit: at most MOST_SENDING send.
 * sending  A run is under way: links, bytes, completing. `delays` names the tries that wait for their next one.
 * paused   The person stopped it, and the person alone lets it go on.
 * held     An obstacle (no network, no sign-in) stopped it. Exit: by itself when the last obstacle is gone.
 * failed   The tries are used up, or trying is useless. Exit: the person retries.
 * done     It arrived. There is no exit.
 *
 * Invariants: a run exists exactly while `sending`; with an obstacle nothing is `queued` or `sending`; what has
 * arrived is forgotten only by `rewound`.
 */
export type UploadState = 'left' | 'queued' | 'sending' | 'paused' | 'held' | 'failed' | 'done';

/** So many files are under way at once: more would take each other's bandwidth and the tier's live links. */
export const MOST_SENDING = 2;
/** The rate is that of the last so many ms: a mean over the whole upload would hide that the network changed. */
const RATE_WINDOW_MS = 8000;
/** A rate is told only when so much time was seen, ms, and samples are this far apart. */
const LEAST_SEEN_MS = 1000;
const SAMPLE_MS = 250;

export interface FileFacts {
  readonly name: string;
  readonly size: number;
  readonly lastModified: number;
}

/** A try that waits for its next one. */
export interface Delay {
  /** Epoch ms. */
  readonly until: number;
  readonly message: string;
}

export interface Upload {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly state: UploadState;
  /** What a person should know: why it failed, or is held back. */
  readonly message: string;
  /** Part → bytes of it that have arrived; a file in one piece has the part 1. */
  readonly arrived: Readonly<Record<number, number>>;
  readonly delays: Readonly<Record<number, Delay>>;
  /** Bytes by time since this run began, oldest first. */
  readonly samples: readonly { readonly at: number; readonly sent: number }[];
}
export interface Uploads {
  readonly list: readonly Upload[];
  readonly obstacles: readonly Obstacle[];
}

export type UploadEvent =
  | { readonly type: 'left'; readonly file: FileFacts; readonly arrived: Upload['arrived'] }
  | { readonly type: 'added'; readonly file: FileFacts }
  | {
      readonly type: 'started' | 'finished' | 'paused' | 'resumed' | 'removed';
      readonly id: string;
      readonly at: number;
    }
  | {
      readonly type: 'progressed';
      readonly id: string;
      readonly part: number;
      readonly bytes: number;
      readonly at: number;
    }
  | {
      readonly type: 'delayed';
      readonly id: string;
      readonly part: number;
      readonly until: number;
      readonly message: string;
    }
  /** Only so much counts: parts that were on their way are lost, or all of it is. */
  | { readonly type: 'rewound'; readonly id: string; readonly arrived: Upload['arrived']; readonly at: number }
  | { readonly type: 'tried'; readonly id: string; readonly part: number }
  | { readonly type: 'failed'; readonly id: string; readonly message: string }
  | { readonly type: 'obstructed' | 'cleared'; readonly obstacle: Obstacle };

export const NO_UPLOADS: Uploads = { list: [], obstacles: [] };

/** The same file, chosen again, is the same upload. */
export function uploadId({ name, size, lastModified }: FileFacts): string {
  return `${name}/${size}/${lastModified}`;
}

export const sentOf = (upload: Pick<Upload, 'arrived' | 'size'>): number =>
  Math.min(
    upload.size,
    Object.values(upload.arrived).reduce((sum, bytes) => sum + bytes, 0),
  );

/** The rest of an upload that has stopped or not begun: no run, so nothing that belongs to one. */
const stopped = (upload: Upload, state: UploadState, message = ''): Upload => ({
  ...upload,
  state,
  message,
  delays: {},
  samples: [],
});

/** Back to the queue, or behind the obstacle that there is. */
const lineUp = (upload: Upload, [obstacle]: readonly Obstacle[]): Upload =>
  obstacle === undefined ? stopped(upload, 'queued') : stopped(upload, 'held', OBSTACLES[obstacle]);

const isActive = ({ state }: Upload): boolean => state === 'queued' || state === 'sending';

export function reduce(uploads: Uploads, event: UploadEvent): Uploads {
  const { list, obstacles } = uploads;
  switch (event.type) {
    case 'left':
    case 'added': {
      const id = uploadId(event.file);
      const earlier = list.find((upload) => upload.id === id);
      if (earlier !== undefined && (event.type === 'left' || isActive(earlier))) return uploads;
      const goesOn = earlier !== undefined && earlier.state !== 'done';
      const arrived = event.type === 'left' ? event.arrived : goesOn ? earlier.arrived : {};
      const fresh: Upload = { ...event.file, id, state: 'left', message: '', arrived, delays: {}, samples: [] };
      const others = list.filter((upload) => upload.id !== id);
      return { list: [...others, event.type === 'left' ? fresh : lineUp(fresh, obstacles)], obstacles };
    }
    case 'removed':
      return { list: list.filter((upload) => upload.id !== event.id), obstacles };
    case 'obstructed': {
      if (obstacles.includes(event.obstacle)) return uploads;
      const now = [...obstacles, event.obstacle];
      return { list: list.map((upload) => (isActive(upload) ? lineUp(upload, now) : upload)), obstacles: now };
    }
    case 'cleared': {
      const now = obstacles.filter((one) => one !== event.obstacle);
      return { list: list.map((upload) => (upload.state === 'held' ? lineUp(upload, now) : upload)), obstacles: now };
    }
    default: {
      const before = list.find((upload) => upload.id === event.id);
      const after = before === undefined ? undefined : change(before, event, obstacles);
      if (after === undefined || after === before) return uploads;
      return { list: list.map((upload) => (upload === before ? after : upload)), obstacles };
    }
  }
}

function without<Value>(parts: Readonly<Record<number, Value>>, part: number): Record<number, Value> {
  return Object.fromEntries(Object.entries(parts).filter(([number]) => Number(number) !== part));
}

type OwnEvent = Extract<UploadEvent, { id: string }>;

/** One upload after an event of its own; one that does not fit its state changes nothing. */
function change(upload: Upload, event: OwnEvent, obstacles: readonly Obstacle[]): Upload {
  const { state } = upload;
  switch (event.type) {
    case 'started':
      if (state !== 'queued') return upload;
      return { ...stopped(upload, 'sending'), samples: [{ at: event.at, sent: sentOf(upload) }] };
    case 'paused':
      return isActive(upload) || state === 'held' ? stopped(upload, 'paused') : upload;
    case 'resumed':
      return state === 'paused' || state === 'failed' ? lineUp(upload, obstacles) : upload;
    case 'failed':
      return state === 'sending' ? stopped(upload, 'failed', event.message) : upload;
    case 'finished':
      // Whatever the person pressed in the meantime: it is there.
      return stopped({ ...upload, arrived: { 1: upload.size } }, 'done');
    case 'rewound': {
      const rewound = { ...upload, arrived: event.arrived, delays: {} };
      return { ...rewound, samples: state === 'sending' ? [{ at: event.at, sent: sentOf(rewound) }] : [] };
    }
    case 'progressed':
      if (state !== 'sending') return upload;
      return sampled({ ...upload, arrived: { ...upload.arrived, [event.part]: event.bytes } }, event.at);
    case 'delayed':
      if (state !== 'sending') return upload;
      return {
        ...upload,
        delays: { ...upload.delays, [event.part]: { until: event.until, message: event.message } },
        arrived: without(upload.arrived, event.part),
      };
    case 'tried':
      return { ...upload, delays: without(upload.delays, event.part) };
    default:
      return upload;
  }
}

/** Notes how far it is now, and forgets what the rate no longer looks at. */
function sampled(upload: Upload, at: number): Upload {
  const last = upload.samples.at(-1);
  if (last !== undefined && at - last.at < SAMPLE_MS) return upload;
  const kept = upload.samples.filter((sample) => at - sample.at <= RATE_WINDOW_MS);
  return { ...upload, samples: [...kept, { at, sent: sentOf(upload) }] };
}

/** Who may start now, oldest first. */
export function nextToStart({ list }: Uploads): readonly string[] {
  const places = MOST_SENDING - list.filter(({ state }) => state === 'sending').length;
  return list
    .filter(({ state }) => state === 'queued')
    .slice(0, Math.max(0, places))
    .map(({ id }) => id);
}

export interface Pace {
  /** Bytes a second; `null` while nobody can tell. */
  readonly rate: number | null;
  readonly secondsLeft: number | null;
}

/** How fast it goes at `now`; a transfer that stands still gets slower as time goes by. */
export function paceOf(upload: Upload, now: number): Pace {
  const [oldest] = upload.samples.filter((sample) => now - sample.at <= RATE_WINDOW_MS);
  const first = oldest ?? upload.samples.at(-1);
  if (first === undefined || now - first.at < LEAST_SEEN_MS) return { rate: null, secondsLeft: null };
  const sent = sentOf(upload);
  const rate = Math.max(0, (sent - first.sent) / ((now - first.at) / 1000));
  return { rate, secondsLeft: rate > 0 ? Math.ceil((upload.size - sent) / rate) : null };
}

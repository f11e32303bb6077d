/** What a visit felt like; ms, but for the layout shift, which is a score, and `session` and `error`, which count. */
export type TimingName = 'LCP' | 'CLS' | 'INP' | 'preview-start' | 'upload' | 'session' | 'error';

declare global {
  interface Window {
    /** The newest of each, for who looks at the page itself. */
    __vitals?: Partial<Record<TimingName, number>>;
  }
}

/** A page that fails in a loop must not flood the Worker. */
const MOST_ERRORS = 10;
/** Shifts belong together while they follow within 1 s, for at most 5 s (web.dev/articles/cls), ms. */
const SHIFT_GAP_MS = 1000;
const SHIFT_WINDOW_MS = 5000;
/** Of so many interactions one outlier is left out (web.dev/articles/inp). */
const INTERACTIONS_PER_OUTLIER = 50;
const SLOWEST_KEPT = 10;
/** The shortest that browsers tell of, ms. */
const SHORTEST_EVENT_MS = 16;

const latest: Partial<Record<TimingName, number>> = {};
let endpoint: string | null = null;

/** Sends one timing to the Worker; nothing else goes along, and nobody waits for it. */
export function report(name: TimingName, value: number, ok = true): void {
  latest[name] = value;
  if (endpoint === null) return;
  const body = JSON.stringify({ name, value: Math.max(0, Math.round(value * 1000) / 1000), ok });
  // A text in a request without CORS needs no preflight, which a page that is being left would not live to see; no
  // cookie goes along.
  fetch(`${endpoint}/rum`, { method: 'POST', mode: 'no-cors', credentials: 'omit', keepalive: true, body }).catch(
    () => {
      // A timing that does not arrive is no trouble of the person's.
    },
  );
}

interface Shift {
  readonly value: number;
  readonly startTime: number;
  readonly hadRecentInput: boolean;
}

/** The layout shift of the worst stretch of the visit, shift by shift. */
export function shiftScore(): (shift: Shift) => number {
  let worst = 0;
  let sum = 0;
  let first = 0;
  let last = 0;
  return ({ value, startTime, hadRecentInput }) => {
    if (hadRecentInput) return worst;
    const belongs = sum > 0 && startTime - last < SHIFT_GAP_MS && startTime - first < SHIFT_WINDOW_MS;
    if (!belongs) first = startTime;
    sum = belongs ? sum + value : value;
    last = startTime;
    worst = Math.max(worst, sum);
    return worst;
  };
}

interface Interaction {
  /** 0 for an event that no press belongs to: a mouse that moves, a file that is dragged. */
  readonly interactionId: number;
  readonly duration: number;
}

/** How long the slowest press took until the page showed it, event by event; `null` before the first. */
export function slowestInteraction(): (event: Interaction) => number | null {
  const seen = new Set<number>();
  let slowest: { id: number; ms: number }[] = [];
  return ({ interactionId: id, duration }) => {
    if (id > 0) {
      seen.add(id);
      const known = slowest.find((one) => one.id === id);
      const others = slowest.filter((one) => one.id !== id);
      slowest = [...others, { id, ms: Math.max(duration, known?.ms ?? 0) }]
        .toSorted((a, b) => b.ms - a.ms)
        .slice(0, SLOWEST_KEPT);
    }
    const left = Math.min(slowest.length - 1, Math.floor(seen.size / INTERACTIONS_PER_OUTLIER));
    return slowest[left]?.ms ?? null;
  };
}

function observe(type: string, note: (entry: PerformanceEntry) => void): void {
  if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
  const options = { type, buffered: true, durationThreshold: SHORTEST_EVENT_MS };
  new PerformanceObserver((list) => list.getEntries().forEach(note)).observe(options);
}

const fieldOf = (entry: PerformanceEntry, name: string): number => {
  const value: unknown = Reflect.get(entry, name);
  return typeof value === 'number' ? value : 0;
};

/** Watches the largest paint, layout shifts, the slowest press and errors; the first three are sent on leaving. */
export function watchVitals(workerEndpoint: string): void {
  endpoint = workerEndpoint;
  window.__vitals = latest;
  const score = shiftScore();
  const slowest = slowestInteraction();
  let hiddenAt = document.visibilityState === 'hidden' ? 0 : Infinity;
  observe('largest-contentful-paint', (entry) => {
    // What is painted while nobody looks says nothing about waiting.
    if (entry.startTime < hiddenAt) latest.LCP = entry.startTime;
  });
  if (PerformanceObserver.supportedEntryTypes.includes('layout-shift')) latest.CLS = 0;
  observe('layout-shift', (entry) => {
    const hadRecentInput = Reflect.get(entry, 'hadRecentInput') === true;
    latest.CLS = score({ value: fieldOf(entry, 'value'), startTime: entry.startTime, hadRecentInput });
  });
  observe('event', (entry) => {
    const ms = slowest({ interactionId: fieldOf(entry, 'interactionId'), duration: entry.duration });
    if (ms !== null) latest.INP = ms;
  });
  let sent = false;
  const leave = (): void => {
    hiddenAt = Math.min(hiddenAt, performance.now());
    if (sent) return;
    sent = true;
    for (const name of ['LCP', 'CLS', 'INP'] as const) {
      const value = latest[name];
      if (value !== undefined) report(name, value);
    }
  };
  // A phone may never tell more than that the page was hidden; Safari tells only of `pagehide` when a tab is closed.
  document.addEventListener('visibilitychange', () => document.visibilityState === 'hidden' && leave());
  addEventListener('pagehide', leave);
  let errors = 0;
  const fail = (): void => {
    if (++errors <= MOST_ERRORS) report('error', 0, false);
  };
  addEventListener('error', fail);
  addEventListener('unhandledrejection', fail);
  report('session', 0);
}

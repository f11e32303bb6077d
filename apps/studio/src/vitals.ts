/** What a visit felt like; ms, but for the layout shift, which is a score. */
export type TimingName = 'LCP' | 'CLS' | 'INP' | 'preview-start' | 'upload' | 'session' | 'error';

/** The newest of each, for who looks at the page itself. */
const latest: Partial<Record<TimingName, number>> = {};
let endpoint: string | null = null;

/** Sends one timing to the Worker; nothing else goes along, and nobody waits for it. */
export function report(name: TimingName, value: number, ok = true): void {
  latest[name] = value;
  if (endpoint === null) return;
  const body = JSON.stringify({ name, value: Math.max(0, Math.round(value * 1000) / 1000), ok });
  fetch(`${endpoint}/rum`, {
    method: 'POST',
    keepalive: true,
    headers: { 'content-type': 'application/json' },
    body,
  }).catch(() => {
    // A timing that does not arrive is no trouble of the person's.
  });
}

/** Watches the largest paint, layout shifts and the slowest interaction; they are sent when the page is left. */
export function watchVitals(workerEndpoint: string): void {
  endpoint = workerEndpoint;
  Object.assign(window, { __vitals: latest });
  let shift = 0;
  let slowest = 0;
  const observe = (type: string, more: object, note: (entry: PerformanceEntry) => void): void => {
    if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
    new PerformanceObserver((list) => list.getEntries().forEach(note)).observe({ type, buffered: true, ...more });
  };
  observe('largest-contentful-paint', {}, (entry) => (latest.LCP = entry.startTime));
  observe('layout-shift', {}, (entry) => {
    const { value, hadRecentInput } = entry as PerformanceEntry & { value: number; hadRecentInput: boolean };
    if (!hadRecentInput) shift += value;
    latest.CLS = shift;
  });
  observe('event', { durationThreshold: 40 }, (entry) => {
    slowest = Math.max(slowest, entry.duration);
    latest.INP = slowest;
  });
  latest.CLS = 0;
  let sent = false;
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState !== 'hidden' || sent) return;
    sent = true;
    for (const name of ['LCP', 'CLS', 'INP'] as const) if (latest[name] !== undefined) report(name, latest[name]);
  });
  report('session', 0);
}

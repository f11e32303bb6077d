import type { Json } from '../../../packages/crossfade/src/rollout/json.ts';

export function duration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 2 * 3600_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 3600_000)} h`;
}

/** An ISO time as this place's clock shows it, with seconds. */
export function clockTime(iso: string): string {
  return new Date(iso).toLocaleTimeString('en-GB');
}

/** What was measured or expected, to be read by a person. */
export function readable(value: Json): string {
  if (value === null) return 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

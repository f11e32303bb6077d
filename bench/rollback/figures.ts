import type { RunResult, Share } from './one-run.ts';

export interface Figure {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
}

export interface Figures {
  readonly share: Share;
  readonly runs: number;
  /** ms. */
  readonly detectedMs: Figure;
  readonly recoveredMs: Figure;
  readonly plantedToDecidedMs: Figure;
  readonly plantedToRecoveredMs: Figure;
  readonly lostUploads: number;
}

/** By nearest rank. */
export function figure(values: readonly number[]): Figure {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (rank: number): number => sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p95: at(0.95), max: at(1) };
}

export function figuresOf(share: Share, results: readonly RunResult[]): Figures {
  const own = results.filter((result) => result.share === share);
  const of = (read: (result: RunResult) => number): Figure => figure(own.map(read));
  return {
    share,
    runs: own.length,
    detectedMs: of((one) => one.detectedMs),
    recoveredMs: of((one) => one.recoveredMs ?? Number.NaN),
    plantedToDecidedMs: of((one) => one.plantedToDecidedMs),
    plantedToRecoveredMs: of((one) => one.plantedToRecoveredMs),
    lostUploads: own.reduce((sum, one) => sum + (one.lostUploads ?? Number.NaN), 0),
  };
}

/** What is promised, from the planting of the fault, ms; at 20 % only the recovery is. */
const GOALS: Readonly<Record<Share, { decided: number; recovered: number }>> = {
  1: { decided: 5000, recovered: 10_000 },
  0.2: { decided: Infinity, recovered: 20_000 },
};

/** Which of the goals do not hold; a value that is not known holds nothing. */
export function missed({ share, plantedToDecidedMs, plantedToRecoveredMs, lostUploads }: Figures): string[] {
  const { decided, recovered } = GOALS[share];
  const goals: [boolean, string][] = [
    [plantedToDecidedMs.p95 <= decided, `detection p95 ${plantedToDecidedMs.p95} ms, goal ${decided} ms`],
    [plantedToRecoveredMs.p95 <= recovered, `recovery p95 ${plantedToRecoveredMs.p95} ms, goal ${recovered} ms`],
    [lostUploads === 0, `${lostUploads} uploads lost`],
  ];
  return goals.flatMap(([holds, text]) => (holds ? [] : [`at ${share * 100} %: ${text}`]));
}

/** Markdown, for the README. */
export function table(all: readonly Figures[]): string {
  const seconds = ({ p50, p95, max }: Figure): string =>
    [p50, p95, max].map((ms) => (ms / 1000).toFixed(1)).join(' / ');
  const rows = all.map(
    (one) =>
      `| ${one.share * 100} % | ${one.runs} | ${seconds(one.plantedToDecidedMs)} | ${seconds(one.plantedToRecoveredMs)} | ${seconds(one.detectedMs)} | ${seconds(one.recoveredMs)} | ${one.lostUploads} |`,
  );
  return [
    '| failing | runs | planted → decided | planted → last failure | `detectedMs` | `recoveredMs` | lost uploads |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
    'Seconds, p50 / p95 / max.',
  ].join('\n');
}

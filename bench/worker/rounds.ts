import { isDeepStrictEqual } from 'node:util';
import { load, type LoadResult } from './load.ts';
import type { Objects, Subject } from './subjects.ts';

export interface Plan {
  readonly rounds: number;
  readonly connections: number;
  /** Measured time of each subject, size and round, ms. */
  readonly durationMs: number;
}
/** Over the rounds. */
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}
export interface Row {
  readonly bytes: number;
  readonly subject: string;
  readonly judged: boolean;
  /** What the answers themselves say in the end: `r2`, or `edge`. `null` for who says nothing. */
  readonly servedFrom: string | null;
  readonly requestsPerSecond: Spread;
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Requests/second over those of the first subject in the same round. */
  readonly ratio: Spread;
  readonly rounds: readonly LoadResult[];
}

function spread(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const last = sorted.length - 1;
  return { median: (at(Math.floor(last / 2)) + at(Math.ceil(last / 2))) / 2, least: at(0), most: at(last) };
}

/** Each round begins with the next subject, so that a machine that warms up or slows down favours nobody. */
function turns(subjects: readonly Subject[], round: number): readonly Subject[] {
  const first = round % subjects.length;
  return [...subjects.slice(first), ...subjects.slice(0, first)];
}

/** Reads an object once and compares all of its bytes. @throws Error when they differ */
async function probe(subject: Subject, bytes: number, content: Uint8Array): Promise<string | null> {
  const answer = await fetch(subject.url(bytes));
  const body = new Uint8Array(await answer.arrayBuffer());
  if (answer.status !== 200 || !isDeepStrictEqual(body, content))
    throw new Error(`${subject.name}: HTTP ${answer.status}, ${body.byteLength} bytes that are not the object's`);
  return answer.headers.get('x-audafact-cache') === 'HIT' ? 'edge' : answer.headers.get('x-audafact-source');
}

/**
 * Measures all subjects side by side. The first one is what the others are compared with.
 * @throws Error at the first wrong answer, or when `signal` aborts
 */
export async function runRounds(
  subjects: readonly Subject[],
  objects: Objects,
  plan: Plan,
  signal: AbortSignal,
): Promise<Row[]> {
  const rows: Row[] = [];
  for (const [bytes, content] of objects) {
    const results = new Map<Subject, LoadResult[]>(subjects.map((subject) => [subject, []]));
    for (const subject of subjects) await probe(subject, bytes, content);
    for (let round = 0; round < plan.rounds; round++) {
      for (const subject of turns(subjects, round)) {
        const result = await load({ ...plan, url: subject.url(bytes), bytes }, signal);
        results.get(subject)?.push(result);
      }
    }
    const [base] = results.values();
    for (const [subject, rounds] of results) {
      // After the load, when the edge keeps all that it will ever keep.
      const servedFrom = await probe(subject, bytes, content);
      rows.push({ bytes, subject: subject.name, judged: subject.judged, servedFrom, ...summary(rounds, base ?? []) });
    }
  }
  return rows;
}

function summary(rounds: readonly LoadResult[], base: readonly LoadResult[]) {
  const of = (pick: (result: LoadResult) => number): Spread => spread(rounds.map(pick));
  const ratios = rounds.map((result, round) => result.requestsPerSecond / (base[round]?.requestsPerSecond ?? 0));
  return {
    requestsPerSecond: of((result) => result.requestsPerSecond),
    p50Ms: of((result) => result.p50Ms),
    p99Ms: of((result) => result.p99Ms),
    ratio: spread(ratios),
    rounds,
  };
}

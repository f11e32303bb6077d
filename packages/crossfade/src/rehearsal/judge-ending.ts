import type { WriteCounts } from '../providers/providers.ts';
import type { RolloutReport } from '../rollout/report-shapes.ts';
import type { Scenario } from './scenario.ts';

/** What is known of a story when it is over. */
export interface Told {
  readonly outcome: RolloutReport['outcome'];
  readonly reason: string | null;
  readonly traffic: Counted & { readonly requests: number };
  readonly rollback: {
    readonly lostUploads: number | null;
    readonly lostDeletes: number | null;
    readonly sinceSwitch: WriteCounts | null;
  } | null;
  /** The stage's notes in the journal. */
  readonly notes: readonly string[];
}

type Counted = Pick<RolloutReport['traffic'], 'failed' | 'reasons'>;

/** Requests of the audience that failed although no scenario planted that. */
export function unplantedFailures({ failed, reasons }: Counted): number {
  return failed - reasons.reduce((sum, one) => sum + (one.planted ? one.count : 0), 0);
}

/** Why they failed, as far as the audience can tell. */
function namesOf({ reasons }: Counted): string {
  const named = reasons.filter((one) => !one.planted).map(({ reason, count }) => `${reason} (${count})`);
  return named.length === 0 ? '' : `: ${named.join('; ')}`;
}

/** In which ways a story ended otherwise than it must; an empty list is an ending as expected. */
export function judgeEnding(
  { expected }: Pick<Scenario, 'expected'>,
  { outcome, reason, traffic, rollback, notes }: Told,
  exitCode: number,
): string[] {
  const unplanted = unplantedFailures(traffic);
  const differences: [boolean, string][] = [
    [outcome !== expected.outcome, `${outcome}, expected ${expected.outcome}`],
    [exitCode !== expected.exitCode, `exit code ${exitCode}, expected ${expected.exitCode}`],
    [
      expected.reason !== undefined && !expected.reason.test(reason ?? ''),
      `the reason is ${JSON.stringify(reason)}, expected to name ${expected.reason}`,
    ],
    ...expected.staged.map((pattern): [boolean, string] => [
      !notes.some((text) => pattern.test(text)),
      `it did not happen on stage: ${pattern}`,
    ]),
    [traffic.requests === 0, 'nobody listened'],
    [unplanted > 0, `${unplanted} requests failed that nobody planted${namesOf(traffic)}`],
    [!expected.audienceFails && traffic.failed > unplanted, 'planted faults reached the audience'],
    [
      expected.outcome === 'rolled-back' && rollback?.lostUploads !== 0,
      `uploads lost: ${rollback?.lostUploads ?? 'unknown'}`,
    ],
    [
      expected.outcome === 'rolled-back' && rollback?.lostDeletes !== 0,
      `deletes lost: ${rollback?.lostDeletes ?? 'unknown'}`,
    ],
    ...(['uploads', 'overwrites', 'deletes'] as const).map((name): [boolean, string] => {
      const wanted = expected.sinceSwitch?.[name] ?? 0;
      const done = rollback?.sinceSwitch?.[name] ?? 0;
      return [done < wanted, `${done} ${name} against R2 before the rollback, at least ${wanted} were to be at stake`];
    }),
  ];
  return differences.flatMap(([differs, text]) => (differs ? [text] : []));
}

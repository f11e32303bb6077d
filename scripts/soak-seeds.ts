// One scenario with one seed after the other in one world, each a rollout of its own with an audience of its own.
import { exitCodeOf } from '@crossfade/crossfade/cli/outcome';
import { renewAudience } from '@crossfade/crossfade/rehearsal/audience-control';
import { createFaultControl } from '@crossfade/crossfade/rehearsal/fault-control';
import { judgeEnding, unplantedFailures } from '@crossfade/crossfade/rehearsal/judge-ending';
import { playOut } from '@crossfade/crossfade/rehearsal/play-out';
import type { Scenario } from '@crossfade/crossfade/rehearsal/scenario';
import { createStage, STAGE } from '@crossfade/crossfade/rehearsal/stage';
import { buildReport } from '@crossfade/crossfade/report/build-report';
import type { RolloutReport } from '@crossfade/crossfade/rollout/report-shapes';
import { eachAtOnce } from '@crossfade/crossfade/transfer/each-at-once';
import type { AudienceLoad } from '@crossfade/local-cloud/audience/load';
import { openStand, type Stand } from '../bench/stand.ts';

const DELETED_AT_ONCE = 16;

type Rollback = NonNullable<RolloutReport['rollback']>;

/** How one seed ended. */
export interface SeedRow {
  readonly scenario: string;
  readonly seed: number;
  readonly outcome: string;
  readonly reason: string | null;
  readonly requests: number;
  readonly failed: number;
  readonly unplanted: number;
  /** What R2 alone held when it was rolled back; `null` where nothing was. */
  readonly atStake: Rollback['sinceSwitch'];
  readonly lostUploads: number | null;
  readonly lostOverwrites: number | null;
  readonly lostDeletes: number | null;
  readonly seconds: number;
  readonly differences: readonly string[];
}

export interface SeedsOptions {
  readonly scenario: Scenario;
  /** Seeds from 1 to this one. */
  readonly seeds: number;
  readonly load: Omit<AudienceLoad, 'seed'>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/** Ends with the first seed that ends otherwise than it must. @throws Error when a world cannot be made ready */
export async function* playSeeds({ scenario, seeds, load, say, signal }: SeedsOptions): AsyncGenerator<SeedRow> {
  let seed = 1;
  const stand = await openStand({
    load: () => ({ ...load, seed }),
    say,
    signal,
    ...(scenario.change === undefined ? {} : { change: scenario.change }),
  });
  try {
    say('staging and preparation, once …');
    await stand.prepare();
    const prepared = new Set<string>();
    for await (const { key } of stand.providers.legacyStore.list()) prepared.add(key);
    for (; seed <= seeds; seed++) {
      // Each has listeners of its own: nobody's day has room for the uploads of two.
      if (seed > 1) {
        await renewAudience(stand.world.controlUrl);
        await forgetUploads(stand, prepared);
      }
      const row = await playSeed(stand, scenario, seed);
      yield row;
      if (row.differences.length > 0) return;
    }
  } finally {
    await stand.close();
  }
}

/** What the seed before left in both stores, some six hundred objects: twenty seeds would each find more to list. */
async function forgetUploads({ providers }: Stand, prepared: ReadonlySet<string>): Promise<void> {
  for (const store of [providers.r2.production, providers.legacyStore]) {
    const left: string[] = [];
    for await (const { key } of store.list()) if (!prepared.has(key)) left.push(key);
    await eachAtOnce(left, DELETED_AT_ONCE, (key) => store.delete(key));
  }
}

async function playSeed(stand: Stand, scenario: Scenario, seed: number): Promise<SeedRow> {
  const start = performance.now();
  const { providers, world } = stand;
  const controller = await stand.open(`${scenario.name}-${seed}`, stand.again, scenario.name);
  const undo: (() => Promise<unknown>)[] = [() => controller.close()];
  try {
    await providers.audience?.start();
    const stage = createStage({
      controller,
      controlUrl: world.controlUrl,
      openAnother: () => Promise.reject(new Error('one operator is enough for a seed')),
    });
    await playOut({ controller, scenario, stage, providers, undo: (action) => void undo.push(action) });
    const events = await controller.journal.read();
    const report = buildReport(events);
    const notes = events.flatMap((event) =>
      event.kind === 'note' && event.subject === STAGE ? [event.data.text] : [],
    );
    const { outcome, reason, rollback, traffic } = report;
    return {
      scenario: scenario.name,
      seed,
      outcome,
      reason,
      requests: traffic.requests,
      failed: traffic.failed,
      unplanted: unplantedFailures(traffic),
      atStake: rollback?.sinceSwitch ?? null,
      lostUploads: rollback?.lostUploads ?? null,
      lostOverwrites: rollback?.lostOverwrites ?? null,
      lostDeletes: rollback?.lostDeletes ?? null,
      seconds: Math.round((performance.now() - start) / 1000),
      differences: [
        ...judgeEnding(scenario, { ...report, notes }, exitCodeOf(report)),
        // Otherwise the seed would be one of another audience.
        ...(traffic.seed === seed ? [] : [`the audience chose by the seed ${traffic.seed}, not ${seed}`]),
      ],
    };
  } finally {
    await createFaultControl(world.controlUrl).clear();
    for (let action = undo.pop(); action !== undefined; action = undo.pop()) await action();
  }
}

/** One line for a person. */
export function seedLine(row: SeedRow): string {
  const { atStake, lostUploads, lostOverwrites, lostDeletes } = row;
  const stake =
    atStake === null
      ? 'nothing at stake'
      : `${atStake.uploads} uploads, ${atStake.overwrites} overwrites and ${atStake.deletes} deletes at stake`;
  const lost = [lostUploads, lostOverwrites, lostDeletes].map((count) => count ?? '?').join(' / ');
  return `seed ${row.seed}: ${row.outcome}; ${stake}, ${lost} lost; ${row.requests} requests, ${row.failed} failed, ${row.unplanted} unplanted; ${row.seconds} s`;
}

import type { Scenario } from '@crossfade/crossfade/rehearsal/scenario';

/** What is at stake when it is rolled back. */
const AT_STAKE = { uploads: 500, overwrites: 100, deletes: 50 };
/** So many times as much has been done when the fault comes: only what came before the first sign of it counts. */
const MARGIN = 1.125;
/** Operations a second: all of these are done in about half a minute, which two slower cores can bear. */
const RATES = { uploads: 17, overwrites: 3.7, deletes: 2 };
/** Share of the reads that fail then. */
const SHARE = 0.2;
/** Longer than any rollback takes, s. */
const FOR_GOOD = 600;
/** Until then it must have come to that, ms. */
const PATIENCE_MS = 90_000;

/**
 * Users write for as long as the new world serves, and then everything has to go back: what they were told succeeded
 * must be in the old world, byte by byte, and what they deleted must not.
 */
export const lateUploads: Scenario = {
  name: 'late-uploads',
  summary: `reads begin to fail after ${AT_STAKE.uploads} uploads, ${AT_STAKE.overwrites} overwrites and ${AT_STAKE.deletes} deletes since the switch`,
  expected: {
    outcome: 'rolled-back',
    exitCode: 3,
    reason: /error rate|5xx|HTTP 5/,
    staged: [/^uploaders write: /, /^planted: failing-version/],
    sinceSwitch: AT_STAKE,
    audienceFails: true,
  },
  change: (config) => ({
    ...config,
    durations: { ...config.durations, monitor: { ...config.durations.monitor, deadlineMs: PATIENCE_MS } },
  }),
  async play(event, stage) {
    if (event.kind === 'phase.started' && event.phase === 'cutover.monitor') await stage.write(RATES);
    if (event.kind !== 'metrics.sampled') return;
    const written = await stage.written();
    const enough = (['uploads', 'overwrites', 'deletes'] as const).every(
      (name) => written[name] >= AT_STAKE[name] * MARGIN,
    );
    // They go on writing meanwhile.
    if (enough) await stage.failReads(SHARE, FOR_GOOD);
  },
};

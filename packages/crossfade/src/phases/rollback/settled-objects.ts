import { readFile } from 'node:fs/promises';
import * as v from 'valibot';
import type { ObjectHead } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { SettledObjects } from '../../transfer/mirror/settle-key.ts';

/** In the evidence: what the mirror's last sweep of a rollback saw in R2, and brought to legacy. */
export const SETTLED_OBJECTS = 'rollback/settled-objects.json';
/** What is older than this is told by its time; clocks of ours and R2's may differ by less, ms. */
const RECENT_MS = 5 * 60_000;

const kept = v.object({ before: v.number(), since: v.array(v.tuple([v.string(), v.string()])) });
type Kept = v.InferOutput<typeof kept>;

/** Collects from R2's listing what was written lately; `now` is epoch ms. */
export function recentObjects(now: number): { note: (object: ObjectHead) => void; objects(): Kept } {
  const before = now - RECENT_MS;
  const since: [string, string][] = [];
  return {
    note({ key, etag, lastModified }) {
      if (Date.parse(lastModified) >= before) since.push([key, etag]);
    },
    objects: () => ({ before, since }),
  };
}

/**
 * What was settled when the mirror came to rest since production was switched, in this rollback or in one before it that
 * was not complete; `null` when it never did. Legacy is written to since then.
 */
export async function readSettled(context: RolloutContext): Promise<SettledObjects | null> {
  const history = await context.history();
  const switched = history.findLast((one) => one.kind === 'step.started' && one.subject === 'dns.switch')?.seq ?? 0;
  const rested = history.some(
    (one) => one.kind === 'compensation.finished' && one.subject === 'rollback.mirror' && one.seq > switched,
  );
  if (!rested) return null;
  const { before, since } = v.parse(kept, JSON.parse(await readFile(await context.placeFor(SETTLED_OBJECTS), 'utf8')));
  return { before, since: new Map(since) };
}

import { compareWrites } from '../../checks/writes/lost-writes.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { RollbackProof } from '../../rollout/plan.ts';
import type { WritesSinceSwitch } from '../../rollout/report-shapes.ts';
import { mirrorRested } from '../mirror/mirror-ended.ts';

/** So many of what was lost are named in the journal; the evidence has all. */
const MOST_NAMED = 5;

type Counted = Pick<RollbackProof, 'lostUploads' | 'lostOverwrites' | 'lostDeletes' | 'sinceSwitch'>;

/**
 * What a rollback lost of all that the uploaders were told succeeded. `lostUploads` counts files that legacy does not
 * hold as they were last written, `lostOverwrites` those among them that an earlier version was written over;
 * `lostDeletes` counts files that are still there after they were deleted, in legacy, in R2 or as a row. Where nobody
 * outside kept count it is the mirror's own record of what it could not prove.
 */
export async function countLost(context: RolloutContext, troubleSince: string): Promise<Counted> {
  const { audience, legacyStore, r2 } = context.providers;
  const compared = await compareWrites(context, { holds: legacyStore, also: [r2.production] });
  if (compared === null || audience === null) {
    const rested = mirrorRested(await context.history());
    return {
      // What legacy refused is lost for certain; whether anything else is, nobody counted.
      lostUploads: rested?.refused === undefined || rested.refused === 0 ? null : rested.refused,
      lostOverwrites: null,
      lostDeletes: rested?.unproven ?? null,
      sinceSwitch: null,
    };
  }
  const sinceSwitch = await writesBefore(audience, troubleSince);
  await context.keep('rollback/lost-writes.json', JSON.stringify({ ...compared, sinceSwitch }, null, 2));
  if (compared.lost.length > 0) {
    const named = compared.lost.slice(0, MOST_NAMED).map(({ key, kind, reason }) => `${kind} of ${key} (${reason})`);
    const more = compared.lost.length > MOST_NAMED ? `, and ${compared.lost.length - MOST_NAMED} more` : '';
    await context.record({ kind: 'note', data: { text: `lost: ${named.join(', ')}${more}` }, subject: 'rollback' });
  }
  const count = (...kinds: readonly string[]): number =>
    compared.lost.filter(({ kind }) => kinds.includes(kind)).length;
  return {
    lostUploads: count('upload', 'overwrite'),
    lostOverwrites: count('overwrite'),
    lostDeletes: count('delete'),
    sinceSwitch,
  };
}

/** Until the first sign of trouble it was R2 that served at the edge. */
async function writesBefore(
  audience: NonNullable<RolloutContext['providers']['audience']>,
  troubleSince: string,
): Promise<WritesSinceSwitch> {
  const until = Date.parse(troubleSince);
  const late = (await audience.told()).writes.filter(({ side, at }) => side === 'edge' && Date.parse(at) <= until);
  const count = (kind: string): number => late.filter((one) => one.outcome === 'succeeded' && one.kind === kind).length;
  return {
    uploads: count('upload'),
    overwrites: count('overwrite'),
    deletes: count('delete'),
    unknown: late.filter((one) => one.outcome === 'unknown').length,
  };
}

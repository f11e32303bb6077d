import * as v from 'valibot';
import { rollBack } from '../engine/roll-back.ts';
import { backupOf, restoreMedia, type RestorePoint } from '../phases/rollback/data-back.ts';
import { pointInTimeRollback } from '../phases/rollback/rollbacks.ts';
import { mirrorEnded } from '../phases/mirror/mirror-ended.ts';
import { openR2Bucket } from '../providers/create-providers.ts';
import type { Providers } from '../providers/providers.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { createRedaction, secretsOf } from '../rollout/redaction.ts';
import { findBase } from '../transfer/backup/backup-log.ts';
import type { RestoreChange, RestoreResult } from '../transfer/backup/restore.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import type { CommandFlags } from './main.ts';
import { openProviders, openRollout } from './open-rollout.ts';
import { handWork } from './outcome.ts';
import { restoreTime } from './restore-time.ts';
import { withJournal } from './rollout-journal.ts';
import { createTerminalView } from './terminal-view.ts';
import { UserError } from './user-error.ts';

const bucketName = v.pipe(v.string(), v.regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/));
const COMMAND = 'crossfade rollback data';

/**
 * `crossfade rollback data --to TIME [--beside BUCKET]`: the media as they were then, in place or in a bucket of its
 * own. One object that cannot be restored is named, and the exit code is 1.
 */
export async function restoreCommand(to: string, flags: CommandFlags): Promise<number> {
  const toMs = restoreTime(to, Date.now());
  const { config, providers } = await openProviders(flags);
  const beside = flags.beside === undefined ? null : besideBucket(flags.beside, config);
  const signal = interruption();
  const store = beside === null ? null : openR2Bucket(config, beside);
  const point: RestorePoint = { toMs, beside: store };
  try {
    await demandBackup(config, providers, toMs, signal);
    const isThere = beside === null || (await providers.cloudflare.getBucket(beside)) !== null;
    if (flags['dry-run'] === true) {
      await withJournal(flags, async ({ journal }) => demandKept(await journal.read(), toMs));
      return await dryRun(flags, config, providers, point, { beside, isThere, signal });
    }
    if (beside !== null && !isThere) await providers.cloudflare.createBucket(beside);
    return await restoreInRollout(flags, point, signal);
  } finally {
    await store?.close();
    await providers.close();
  }
}

/** @throws UserError for a bucket that is in use already */
function besideBucket(name: string, config: RolloutConfig): string {
  const { staging, production } = config.environments;
  const taken = [staging.worker.bucket, production.worker.bucket, config.backup?.bucket];
  if (v.is(bucketName, name) && !taken.includes(name)) return name;
  throw new UserError(
    'CROSSFADE_RESTORE_BESIDE',
    taken.includes(name)
      ? `--beside ${name}: that bucket is the rollout's own`
      : `--beside ${name}: expected an R2 bucket name (3 to 63 of a-z, 0-9 and -)`,
    'name a bucket of its own; it is made where there is none',
  );
}

/** @throws UserError where nothing is kept of that time */
async function demandBackup(
  config: RolloutConfig,
  providers: Providers,
  toMs: number,
  signal: AbortSignal,
): Promise<void> {
  if (config.backup === undefined)
    throw new UserError(
      'CROSSFADE_BACKUP_NONE',
      'the config names no backup bucket (backup.bucket), so no versions are kept',
      `without --to, R2 is restored from legacy: ${COMMAND}`,
    );
  const { bucket } = config.backup;
  const isThere = (await providers.cloudflare.getBucket(bucket)) !== null;
  const { first, base } = isThere ? await findBase(backupOf({ providers }), toMs, signal) : { first: null, base: null };
  if (base !== null) return;
  throw new UserError(
    'CROSSFADE_RESTORE_TIME',
    first === null
      ? `there is no backup in ${bucket} yet`
      : `--to ${new Date(toMs).toISOString()}: the first backup in ${bucket} is of ${first}`,
    first === null ? 'it is begun by: crossfade prepare' : `name a time from ${first} on`,
  );
}

/** @throws UserError for a time of which the backup knows nothing, since the mirror had ended by then */
function demandKept(events: readonly JournalEvent[], toMs: number): void {
  const ended = mirrorEnded(events);
  if (ended === null || toMs <= Date.parse(ended)) return;
  throw new UserError(
    'CROSSFADE_RESTORE_TIME',
    `--to ${new Date(toMs).toISOString()}: the mirror keeps versions until the watch or a rollback is over, which was ${ended}`,
    `name a time until ${ended}`,
  );
}

async function dryRun(
  flags: CommandFlags,
  config: RolloutConfig,
  providers: Providers,
  point: RestorePoint,
  { beside, isThere, signal }: { beside: string | null; isThere: boolean; signal: AbortSignal },
): Promise<number> {
  const redaction = createRedaction(secretsOf(config));
  const json = flags.json === true;
  const to = new Date(point.toMs).toISOString();
  if (!json && !isThere) process.stdout.write(`create ${beside}\n`);
  // A bucket that is not there holds nothing.
  const nothing = { ...providers.r2.production, label: `r2:${beside}`, async *list() {} };
  // As they are found, since there may be more of them than memory holds; in JSON they are one document even so.
  let comma = '';
  const show = (change: RestoreChange): void => {
    const line = json
      ? `${comma}${JSON.stringify(redaction.json({ ...change }))}\n`
      : `${change.change.padEnd(9)} ${redaction.text(JSON.stringify(change.key))} ${change.size} bytes\n`;
    comma = ',';
    process.stdout.write(line);
  };
  if (json) process.stdout.write('{"changes":[\n');
  const result = await restoreMedia({ config, providers, signal }, isThere ? point : { ...point, beside: nothing }, {
    dryRun: true,
    onChange: show,
  });
  const next = [`${COMMAND} --to ${to}${beside === null ? '' : ` --beside ${beside}`}`];
  if (json) process.stdout.write(`],${JSON.stringify({ dryRun: true, to, ...result, next }).slice(1)}\n`);
  tell(result, 'would be ');
  return result.failed === 0 ? EXIT.done : EXIT.failed;
}

function tell({ restored, overwritten, deleted, unchanged, extra, failed, failures }: RestoreResult, would = ''): void {
  const left = extra === 0 ? '' : `, ${extra} of somebody else left as they are`;
  process.stderr.write(
    `\n  ${restored} ${would}restored, ${overwritten} ${would}overwritten, ${deleted} ${would}deleted, ${unchanged} unchanged${left}\n`,
  );
  for (const { key, reason } of failures) process.stderr.write(`  not restored: ${JSON.stringify(key)}: ${reason}\n`);
  if (failed > failures.length) process.stderr.write(`  and ${failed - failures.length} more\n`);
}

/** Under the rollout's lock, and in its journal. */
async function restoreInRollout(flags: CommandFlags, point: RestorePoint, signal: AbortSignal): Promise<number> {
  const to = new Date(point.toMs).toISOString();
  const results: RestoreResult[] = [];
  const command = `rollback data --to ${to}${flags.beside === undefined ? '' : ` --beside ${flags.beside}`}`;
  const opened = await openRollout({
    flags,
    command,
    part: (whole) => ({
      phases: [],
      rollbacks: { ...whole.rollbacks, data: pointInTimeRollback(point, (result) => void results.push(result)) },
    }),
    begins: false,
    signal,
  });
  const { controller, config, rollout } = opened;
  const view = createTerminalView(process.stderr);
  try {
    demandKept(await controller.journal.read(), point.toMs);
    view.heading(`${rollout}: ${command}`);
    view.follow(controller.journal, config, controller.titles);
    const phase = (await controller.journal.read()).findLast((event) => event.kind === 'phase.started')?.phase;
    const measure = `asked for by ${flags.as ?? 'an operator'}${flags.note === undefined ? '' : ` (${flags.note})`}`;
    const trouble = { measure, measured: null, expected: null, since: new Date().toISOString() };
    const { outcome } = await controller.perform((walk) =>
      rollBack(walk, phase ?? 'preparation', 'data', trouble, walk.takenBefore),
    );
    view.end();
    // What the first attempt changed is what was changed; what the last one could not is what is left.
    const [first, last] = [results[0] ?? null, results.at(-1) ?? null];
    const result = first === null || last === null ? null : { ...first, failed: last.failed, failures: last.failures };
    const next = outcome === 'rolled-back' ? ['crossfade status'] : [`crossfade ${command} --dry-run`];
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ rollout, outcome, to, ...result, next })}\n`);
    if (result !== null) tell(result);
    for (const line of handWork(await controller.journal.read())) process.stderr.write(`  by hand: ${line}\n`);
    for (const line of next) process.stderr.write(`  next: ${line}\n`);
    return outcome === 'rolled-back' ? EXIT.done : EXIT.failed;
  } catch (error) {
    if (signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    view.end();
    await opened.close();
  }
}

import { resolve } from 'node:path';
import pc from 'picocolors';
import { accountText, unaccounted, unaccountedText } from '../transfer/account.ts';
import { keyFilter } from '../transfer/key-filter.ts';
import type { Concurrency } from '../transfer/pace.ts';
import { runSharedCopy, type SharedCopyResult } from '../transfer/shared/shared-copy.ts';
import { readEnvironment } from './environment-file.ts';
import { EXIT } from './exit-codes.ts';
import { interruption } from './interruption.ts';
import type { CommandFlags } from './main.ts';
import { openLocations } from './open-locations.ts';
import { demandShared, openSharedStore, placeText } from './open-shared-store.ts';
import { openRolloutDatabase } from './rollout-database.ts';
import { amountText } from './shared-progress-text.ts';
import { createSharedProgressView } from './shared-progress-view.ts';
import { findingText } from './transfer-answer.ts';
import { readTransferOptions } from './transfer-options.ts';
import { asTransferError, quoted } from './transfer-session.ts';
import { UserError } from './user-error.ts';

/** Failures that a terminal shows. */
const SHOWN = 10;

/** What makes no sense for a copy that other machines have a part in, and what to do instead. */
const REFUSED = {
  requests: 'each worker asks as often as it can: bound it with --concurrency, or copy without --shared',
  'egress-limit': 'nobody counts what all workers read: copy without --shared',
  limits: 'workers hear no limits: copy without --shared',
  bandwidth: 'each worker copies as fast as it can: bound it with --concurrency, or copy without --shared',
  'until-caught-up': 'copy once with --shared, then catch up without it',
  'max-lag': 'copy once with --shared, then catch up without it',
  'no-verify': 'each worker proves what it has copied before it takes the next partition',
  'dry-run': 'the calls are the same without --shared: crossfade copy FROM TO --dry-run',
  report: 'what failed is in the answer of --json; crossfade verify FROM TO --report FILE writes all of it',
} as const satisfies Partial<Record<keyof CommandFlags, string>>;

/**
 * `crossfade copy FROM TO --shared`: begins a copy that every `crossfade worker` on the same database has a part in,
 * has one itself, and waits for its end. Run again, it joins the copy that is under way.
 */
export async function sharedCopyCommand(from: string, to: string, flags: CommandFlags): Promise<number> {
  refuseFlags(flags);
  const options = readTransferOptions(flags);
  const interrupted = interruption();
  const command = ['crossfade', ...process.argv.slice(2)].map(quoted).join(' ');
  const env = await readEnvironment(flags.env);
  const { concurrency, places } = await checkLocations(from, to, flags, options.concurrency);
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const view = createSharedProgressView(process.stderr);
  const start = performance.now();
  const database = await openRolloutDatabase(env);
  try {
    const result = await runSharedCopy({
      databaseUrl: database.url,
      from,
      to,
      options: { include: flags.include ?? [], exclude: flags.exclude ?? [], prefix: options.prefix, places },
      openStore: (location, use) => openSharedStore(flags, location, use, concurrency),
      filter: ({ include, exclude }) => keyFilter(include, exclude) ?? undefined,
      concurrency,
      ...(flags.manifest === undefined ? {} : { manifest: resolve(flags.manifest) }),
      onProgress: (progress) => view.show(progress),
      onTrouble(text) {
        view.end();
        say(`waiting: ${text}`);
      },
      signal: interrupted,
    });
    view.end();
    const outcome = outcomeOf(result);
    tell(result, outcome, say, { from, to });
    if (flags.json === true) {
      const seconds = (performance.now() - start) / 1000;
      process.stdout.write(`${JSON.stringify(answerOf(result, { outcome, from, to, seconds, command }))}\n`);
    }
    return outcome === 'done' ? EXIT.done : EXIT.failed;
  } catch (error) {
    view.end();
    if (!interrupted.aborted) throw asDatabaseError(error) ?? asTransferError(error);
    say(`interrupted; what has arrived stays, and other workers go on. Join them again: ${command}`);
    if (flags.json === true) process.stdout.write(`${JSON.stringify({ outcome: 'interrupted', next: [command] })}\n`);
    return EXIT.interrupted;
  } finally {
    await database.close();
  }
}

/** @throws UserError */
function refuseFlags(flags: CommandFlags): void {
  for (const [name, instead] of Object.entries(REFUSED)) {
    if (Reflect.get(flags, name) === undefined) continue;
    throw new UserError('CROSSFADE_ARGUMENT_UNKNOWN', `--${name} does not go with --shared`, instead);
  }
}

/** Both are there, are stores that others can open too, and are not one place. Answers with the objects at once, and where they are. */
async function checkLocations(
  from: string,
  to: string,
  flags: CommandFlags,
  concurrency: Concurrency | null,
): Promise<{ readonly concurrency: Concurrency; readonly places: readonly string[] }> {
  const wanted = [
    { text: from, use: 'read' },
    { text: to, use: 'write' },
  ] as const;
  const opened = await openLocations({ flags, wanted, prefix: '', concurrency, onSkipped() {} });
  try {
    for (const location of opened.locations) demandShared(location);
    return { concurrency: opened.concurrency, places: opened.locations.map(placeText) };
  } finally {
    await opened.close();
  }
}

type Outcome = 'done' | 'failed' | 'nothing';

function outcomeOf({ failed, account, manifest }: SharedCopyResult): Outcome {
  if (failed > 0 || unaccounted(account) !== 0) return 'failed';
  if (manifest !== null && manifest.rows !== account.proven) return 'failed';
  return account.proven === 0 ? 'nothing' : 'done';
}

interface Ends {
  readonly from: string;
  readonly to: string;
}

function tell(result: SharedCopyResult, outcome: Outcome, say: (line: string) => void, { from, to }: Ends): void {
  const { copied, copiedBytes, account, failed, unlisted, failures, manifest } = result;
  say(
    `copied ${amountText({ objects: copied, bytes: copiedBytes })}${result.joined ? ', joining what was under way' : ''}`,
  );
  say(`${accountText(account)}, in ${to}`);
  const unnamed = unaccountedText(account);
  if (unnamed !== null) say(unnamed);
  if (manifest !== null && manifest.rows !== account.proven)
    say(`the manifest names ${manifest.rows} of the ${account.proven} proven objects: run it again`);
  if (outcome === 'nothing')
    say(
      account.listed === 0
        ? `${from} holds no object that was asked for: check the prefix and the patterns`
        : `nothing is proven: all that ${from} listed was deleted meanwhile`,
    );
  if (unlisted > 0) say(`${unlisted} ranges of keys could not be listed: nothing is known of their objects`);
  if (failed === 0) return;
  say(`${pc.red('✘')} ${failed.toLocaleString('en')} could not be copied`);
  for (const { key, reason } of failures.slice(0, SHOWN))
    say(`    ${findingText({ kind: 'failed', key: key ?? 'a whole range of keys', reason })}`);
  if (failed > SHOWN) say(`    … and ${(failed - SHOWN).toLocaleString('en')} more`);
}

interface Asked extends Ends {
  readonly outcome: Outcome;
  readonly seconds: number;
  readonly command: string;
}

function answerOf(result: SharedCopyResult, { outcome, from, to, seconds, command }: Asked) {
  const { transfer, joined, copied, copiedBytes, objects, bytes, verified, extra, failed, failures, manifest } = result;
  const { listed, proven, gone } = result.account;
  const verify = `crossfade verify ${quoted(from)} ${quoted(to)}`;
  const next = { done: [verify], failed: [command, verify], nothing: ['crossfade copy --help'] };
  return {
    outcome,
    transfer,
    joined,
    from,
    to,
    listed,
    proven,
    gone,
    unlisted: result.unlisted,
    copied,
    bytes: copiedBytes,
    verified: { objects, bytes, verified },
    extra,
    failed,
    failures,
    manifest,
    seconds,
    next: next[outcome],
  };
}

/** The database that the workers share is a provider as any other to whoever waits for them. */
function asDatabaseError(error: unknown): UserError | null {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return null;
  if (!/^(ECONNREFUSED|ECONNRESET|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH)$/.test(error.code)) return null;
  return new UserError(
    'CROSSFADE_DATABASE_UNREACHABLE',
    `the database that the workers share does not answer: ${error.code}`,
    'check DATABASE_URL, or leave it out for the embedded one',
    EXIT.unreachable,
  );
}

import { resolve } from 'node:path';
import type { ObjectStore } from '../providers/providers.ts';
import { accountText, unaccounted, unaccountedText, type Account } from '../transfer/account.ts';
import type { CopyOptions } from '../transfer/copy.ts';
import { copyUntil, type CaughtUp } from '../transfer/copy-until.ts';
import { unheldText, untoldText } from '../transfer/lost-metadata.ts';
import { withManifest, type WrittenManifest } from '../transfer/manifest.ts';
import { verifyObjects, type VerifyFinding, type VerifyOptions, type VerifyResult } from '../transfer/verify.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { printCopyCalls } from './copy-calls.ts';
import { durationText, sizeText } from './transfer-progress.ts';
import { findingsJson, showFindings, unprovenIn } from './transfer-answer.ts';
import { quoted, refusalsOf, sideOf, withTransfer, type TransferSession } from './transfer-session.ts';
import { UserError } from './user-error.ts';

const DEFAULT_MAX_LAG_SECONDS = 30;
/** Times of stores are whole seconds in places. */
const CLOCK_GRAIN_MS = 1000;

/** `crossfade copy FROM TO`: every object of FROM is in TO, proven by its bytes. Run again, it goes on. */
export async function copyCommand(locations: readonly string[], flags: CommandFlags): Promise<number> {
  const [from, to] = locations;
  if (from === undefined || to === undefined)
    throw new UserError(
      'CROSSFADE_LOCATION_MISSING',
      'copy needs two locations: FROM and TO',
      'see: crossfade copy --help',
    );
  refuseFlags(flags);
  // The durable engine takes a quarter of the time that it takes to start without it.
  if (flags.shared === true) return (await import('./shared-copy-command.ts')).sharedCopyCommand(from, to, flags);
  return withTransfer(
    'copy',
    flags,
    [
      { text: from, use: 'read' },
      { text: to, use: 'write' },
    ],
    (session) => (flags['dry-run'] === true ? printCopyCalls(session) : copyAndProve(session)),
  );
}

function refuseFlags(flags: CommandFlags): void {
  if (flags.deep === true || flags.repair === true)
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      '--deep and --repair belong to verify',
      'see: crossfade verify --help',
    );
  if (flags['no-verify'] === true && flags.manifest !== undefined)
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      'a manifest lists what was proven: --no-verify leaves nothing to write',
      'leave one of the two out',
    );
  if (flags['max-lag'] !== undefined && flags['until-caught-up'] !== true)
    throw new UserError('CROSSFADE_ARGUMENT_UNKNOWN', '--max-lag goes with --until-caught-up', 'say both');
}

async function copyAndProve(session: TransferSession): Promise<number> {
  const { flags, findings, view } = session;
  const start = performance.now();
  const told: Told = { failed: new Map(), gone: new Set(), lost: new Map() };
  const refuses = await refusalsOf(session);
  const copied = await copyUntil({ ...tellingOptions(session, told), refuses }, lagBound(session), (seconds, pending) =>
    view.say(
      pending === 0 ? 'the target lacks nothing' : `the target is ${durationText(seconds)} behind, ${pending} objects`,
    ),
  );
  view.say(
    `copied ${copied.copied.toLocaleString('en')} objects (${sizeText(copied.bytes)}), ${copied.present.toLocaleString('en')} were there already`,
  );
  for (const [key, reason] of told.lost) {
    await findings.add({ kind: 'metadata', key, reason });
    told.failed.set(key, (told.failed.get(key) ?? 0) + 1);
  }
  const proof = flags['no-verify'] === true ? null : await prove(session, copied, told, refuses);
  const account = proof?.account ?? (await accountUnproven(session, copied, told));
  const outcome = outcomeOf(session, { copied, proof, account });
  sayOutcome(session, { copied, proof, account, outcome });
  showFindings(view, findings);
  if (flags.json === true) {
    const { lagSeconds, passes, present, caughtUp } = copied;
    const { listed, proven, failed, gone, late } = account;
    const answer = {
      outcome,
      from: sideOf(session, 0).text,
      to: sideOf(session, 1).text,
      listed,
      proven: proof === null ? null : proven,
      failed,
      gone,
      late,
      copied: copied.copied,
      bytes: copied.bytes,
      present,
      passes,
      caughtUp,
      lagSeconds,
      verified: proof === null ? null : { objects: listed - gone, bytes: proof.bytes, verified: proven },
      extra: proof?.extra ?? null,
      ...findingsJson(findings),
      manifest: proof?.manifest ?? null,
      seconds: (performance.now() - start) / 1000,
      next: nextOf(session, outcome),
    };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  }
  return outcome === 'done' ? EXIT.done : EXIT.failed;
}

interface Copied {
  readonly copied: CaughtUp;
  readonly proof: Proof | null;
  readonly account: Account;
  readonly outcome: Outcome;
}

function sayOutcome(session: TransferSession, { copied, proof, account, outcome }: Copied): void {
  const { view } = session;
  const [from, to] = [sideOf(session, 0).text, sideOf(session, 1).text];
  view.say(proof === null ? 'nothing was proven, as --no-verify says' : `${accountText(account)}, in ${to}`);
  const unaccounted = unaccountedText(account);
  if (unaccounted !== null) view.say(unaccounted);
  if (proof !== null && proof.unlisted > 0)
    view.say(
      `${from} listed ${proof.unlisted.toLocaleString('en')} objects fewer to the proof than to the copy: ${isLoss(copied, proof.unlisted) ? 'more than users delete; see whether all of it may still be read' : 'deleted meanwhile, and extra in the target'}`,
    );
  if (outcome === 'nothing')
    view.say(
      account.listed === 0
        ? `${from} holds no object that was asked for: check the prefix and the patterns`
        : `nothing is proven: all that ${from} listed changed or was deleted meanwhile`,
    );
  if (!copied.caughtUp)
    view.say(`not caught up: ${durationText(copied.lagSeconds ?? 0)} behind, and the lag does not shrink`);
}

/** What the copy told by name. It grows with the failures, not with the bucket. */
interface Told {
  /** How often: what a listing cannot tell apart fails under one name. */
  readonly failed: Map<string, number>;
  /** Told as findings only in the end: what is uploaded again meanwhile is judged by the proof. */
  readonly gone: Set<string>;
  /** Copied without custom values that the source has and does not tell; why, as the last pass that copied it had it. */
  readonly lost: Map<string, string>;
}

function tellingOptions(session: TransferSession, told: Told): CopyOptions {
  const options = copyOptions(session);
  return {
    ...options,
    onFailed(failure) {
      told.lost.delete(failure.key);
      told.failed.set(failure.key, (told.failed.get(failure.key) ?? 0) + 1);
      return options.onFailed?.(failure);
    },
    onGone(key) {
      told.lost.delete(key);
      told.gone.add(key);
    },
    onCopied({ key, untoldMeta, unheld }) {
      // Uploaded again, and a later pass brought it.
      told.gone.delete(key);
      const reason = untoldText(options.from.label, untoldMeta);
      if (reason === null) told.lost.delete(key);
      else told.lost.set(key, reason);
      if (unheld === undefined) return undefined;
      return session.findings.add({ kind: 'unheld', key, reason: unheldText(options.to.label, unheld) });
    },
  };
}

export function copyOptions(session: TransferSession): CopyOptions {
  const { options, findings, view, signal, concurrency, limits } = session;
  const { filter } = options;
  const to = sideOf(session, 1);
  return {
    from: sideOf(session, 0).store,
    to: to.store,
    concurrency,
    signal,
    refuses: (key) => to.refuses(key),
    onFailed: ({ key, reason }) => findings.add({ kind: 'failed', key, reason }),
    onProgress: (progress) => view.show('copied', progress),
    ...(filter === null ? {} : { filter }),
    bytesPerSecond: () => limits.current().bytesPerSecond,
  };
}

function lagBound({ flags, options, config }: TransferSession): number | null {
  if (flags['until-caught-up'] !== true) return null;
  return options.maxLagSeconds ?? config?.transfer.maxLagSeconds ?? DEFAULT_MAX_LAG_SECONDS;
}

interface Proof {
  readonly account: Account;
  readonly bytes: number;
  /** In the target only: a copy deletes nothing, so they are counted and no failure. */
  readonly extra: number;
  /** By how much the source listed less to the proof than to the copy, beyond what is named as gone. */
  readonly unlisted: number;
  readonly manifest: WrittenManifest | null;
}

/**
 * Every object that the source held when the last pass began is proven in the target. What the copy failed at stays
 * failed, whatever the target holds; what it found to be gone is judged by this listing, where it is in it again.
 */
async function prove(
  session: TransferSession,
  copied: CaughtUp,
  told: Told,
  refuses: (key: string) => string | null,
): Promise<Proof> {
  const { flags, options, findings, view, signal, concurrency } = session;
  const [from, to] = [sideOf(session, 0), sideOf(session, 1)];
  /** Whether the copy failed at it; each of its failures stands for one listed object. */
  const hadFailed = (key: string): boolean => {
    const times = told.failed.get(key) ?? 0;
    if (times > 1) told.failed.set(key, times - 1);
    else told.failed.delete(key);
    return times > 0;
  };
  let [extra, overruled] = [0, 0];
  const verify = ({ onVerified }: Pick<VerifyOptions, 'onVerified'>): Promise<VerifyResult> =>
    verifyObjects({
      from: from.store,
      to: to.store,
      concurrency,
      signal,
      refuses,
      ...(options.filter === null ? {} : { filter: options.filter }),
      onProgress: (progress) => view.show('proven', progress),
      onVerified(object) {
        told.gone.delete(object.key);
        if (!hadFailed(object.key)) return onVerified?.(object);
        overruled++;
      },
      async onFinding(finding) {
        if (finding.kind === 'extra') return void extra++;
        told.gone.delete(finding.key);
        if (hadFailed(finding.key)) return;
        // What the target cannot hold no later copy brings either.
        const may = finding.kind !== 'gone' && refuses(finding.key) === null;
        const late = may && (await isLate(from.store, finding, copied.since));
        await findings.add(late ? { ...finding, kind: 'late' } : finding);
      },
    }).then(async (result) => {
      for (const key of told.gone) await findings.add({ kind: 'gone', key });
      return result;
    });
  const file = flags.manifest === undefined ? null : resolve(flags.manifest);
  const { result, manifest } = await withManifest(file, verify, () => unprovenIn(findings.all()));
  // In no listing any more: both were in the copy's.
  const before = told.gone.size + [...told.failed.values()].reduce((sum, times) => sum + times, 0);
  const { missing, different, metadata, failed, gone, late } = findings.counts;
  const account = {
    listed: result.account.listed + before,
    proven: result.verified - overruled,
    failed: missing + different + metadata + failed,
    gone,
    late,
  };
  const unlisted = Math.max(0, copied.listed - account.listed);
  return { account, bytes: result.bytes, extra, unlisted, manifest };
}

async function isLate(source: ObjectStore, { key }: VerifyFinding, since: number): Promise<boolean> {
  // A source that does not say leaves the finding as it is.
  const now = await source.head(key).catch(() => null);
  return now !== null && Date.parse(now.lastModified) >= since - CLOCK_GRAIN_MS;
}

/** Without a proof, what arrived stands for what is proven: by the copy's own word. */
async function accountUnproven({ findings }: TransferSession, copied: CaughtUp, told: Told): Promise<Account> {
  for (const key of told.gone) await findings.add({ kind: 'gone', key });
  const { failed, metadata, gone } = findings.counts;
  // Gone in an earlier pass: the last one did not list it any more.
  const listed = copied.listed + told.gone.size - copied.gone;
  return { listed, proven: copied.arrived - metadata, failed: failed + metadata, gone, late: 0 };
}

/** So many deletes are believed in any case, and else this share of all: more are a loss of the source's, or of the right to list. */
const [FEW, SHARE] = [20, 0.05];
const isLoss = ({ listed }: CaughtUp, unlisted: number): boolean => unlisted > Math.max(FEW, listed * SHARE);

type Outcome = 'done' | 'failed' | 'nothing';

function outcomeOf({ findings }: TransferSession, { copied, proof, account }: Omit<Copied, 'outcome'>): Outcome {
  const wrong = account.failed + findings.counts.skipped > 0 || unaccounted(account) !== 0;
  if (wrong || !copied.caughtUp || (proof !== null && isLoss(copied, proof.unlisted))) return 'failed';
  return account.proven === 0 ? 'nothing' : 'done';
}

function nextOf(session: TransferSession, outcome: Outcome): string[] {
  const both = `${quoted(sideOf(session, 0).text)} ${quoted(sideOf(session, 1).text)}`;
  if (outcome === 'done') return session.findings.counts.late > 0 ? [session.command] : [`crossfade verify ${both}`];
  return outcome === 'nothing' ? ['crossfade copy --help'] : [session.command, `crossfade verify ${both}`];
}

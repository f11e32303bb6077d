import { resolve } from 'node:path';
import type { CopyOptions } from '../transfer/copy.ts';
import { copyUntil, type CaughtUp } from '../transfer/copy-until.ts';
import { withManifest, type WrittenManifest } from '../transfer/manifest.ts';
import { verifyObjects, type VerifyFinding, type VerifyResult } from '../transfer/verify.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { printCopyCalls } from './copy-calls.ts';
import { durationText, sizeText } from './transfer-progress.ts';
import { findingsJson, showFindings } from './transfer-answer.ts';
import { quoted, sideOf, withTransfer, type TransferSession } from './transfer-session.ts';
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
  const copied = await copyUntil(copyOptions(session), lagBound(session), (seconds, pending) =>
    view.say(
      pending === 0 ? 'the target lacks nothing' : `the target is ${durationText(seconds)} behind, ${pending} objects`,
    ),
  );
  view.say(
    `copied ${copied.copied.toLocaleString('en')} objects (${sizeText(copied.bytes)}), ${copied.present.toLocaleString('en')} were there already`,
  );
  const proof = flags['no-verify'] === true ? null : await prove(session, copied);
  const outcome = outcomeOf(session, copied, proof);
  if (proof !== null)
    view.say(
      `proven ${proof.result.verified.toLocaleString('en')} of ${proof.result.objects.toLocaleString('en')} objects in ${sideOf(session, 1).text}`,
    );
  if (outcome === 'nothing')
    view.say(`${sideOf(session, 0).text} holds no object that was asked for: check the prefix and the patterns`);
  if (!copied.caughtUp)
    view.say(`not caught up: ${durationText(copied.lagSeconds ?? 0)} behind, and the lag does not shrink`);
  showFindings(view, findings);
  if (flags.json === true) {
    const { lagSeconds, passes, present, caughtUp } = copied;
    const verified =
      proof === null
        ? null
        : { objects: proof.result.objects, bytes: proof.result.bytes, verified: proof.result.verified };
    const answer = {
      outcome,
      from: sideOf(session, 0).text,
      to: sideOf(session, 1).text,
      copied: copied.copied,
      bytes: copied.bytes,
      present,
      passes,
      caughtUp,
      lagSeconds,
      verified,
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

export function copyOptions(session: TransferSession): CopyOptions & { readonly bytesPerSecond?: number } {
  const { options, findings, view, signal, concurrency } = session;
  const { filter, bytesPerSecond } = options;
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
    ...(bytesPerSecond === null ? {} : { bytesPerSecond }),
  };
}

function lagBound({ flags, options, config }: TransferSession): number | null {
  if (flags['until-caught-up'] !== true) return null;
  return options.maxLagSeconds ?? config?.transfer.maxLagSeconds ?? DEFAULT_MAX_LAG_SECONDS;
}

interface Proof {
  readonly result: VerifyResult;
  /** In the target only: a copy deletes nothing, so they are counted and no failure. */
  readonly extra: number;
  readonly manifest: WrittenManifest | null;
}

/** Every object that the source held when the last pass began is proven in the target. */
async function prove(session: TransferSession, { since }: CaughtUp): Promise<Proof> {
  const { flags, options, findings, view, signal, concurrency } = session;
  const [from, to] = [sideOf(session, 0), sideOf(session, 1)];
  const failed = new Set(findings.first('failed').map((one) => one.key));
  let extra = 0;
  const proven = await withManifest(flags.manifest === undefined ? null : resolve(flags.manifest), (more) =>
    verifyObjects({
      from: from.store,
      to: to.store,
      concurrency,
      signal,
      // What the target cannot hold is told already.
      filter: (key) => options.filter?.(key) !== false && to.refuses(key) === null,
      onProgress: (progress) => view.show('proven', progress),
      ...more,
      async onFinding(finding) {
        if (finding.kind === 'extra') extra++;
        else if (!failed.has(finding.key))
          await findings.add((await isLate(finding)) ? { ...finding, kind: 'late' } : finding);
      },
    }),
  );
  return { ...proven, extra };

  async function isLate({ key }: VerifyFinding): Promise<boolean> {
    const now = await from.store.head(key);
    return now !== null && Date.parse(now.lastModified) >= since - CLOCK_GRAIN_MS;
  }
}

type Outcome = 'done' | 'failed' | 'nothing';

function outcomeOf({ findings }: TransferSession, copied: CaughtUp, proof: Proof | null): Outcome {
  const { missing, different, failed, skipped, late } = findings.counts;
  if (missing + different + failed + skipped > 0 || !copied.caughtUp) return 'failed';
  const seen = proof === null ? copied.copied + copied.present : proof.result.objects;
  return seen + late === 0 ? 'nothing' : 'done';
}

function nextOf(session: TransferSession, outcome: Outcome): string[] {
  const both = `${quoted(sideOf(session, 0).text)} ${quoted(sideOf(session, 1).text)}`;
  if (outcome === 'done') return session.findings.counts.late > 0 ? [session.command] : [`crossfade verify ${both}`];
  return outcome === 'nothing' ? ['crossfade copy --help'] : [session.command, `crossfade verify ${both}`];
}

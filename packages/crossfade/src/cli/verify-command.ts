import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ObjectStore } from '../providers/providers.ts';
import { accountText, unaccounted, unaccountedText, type Account } from '../transfer/account.ts';
import type { CopyOptions } from '../transfer/copy.ts';
import { openFindings, type Finding, type FindingKind, type Findings } from '../transfer/findings.ts';
import { unheldText } from '../transfer/lost-metadata.ts';
import { openManifestSource, type ManifestSource } from '../transfer/manifest-file.ts';
import { withManifest, type WrittenManifest } from '../transfer/manifest.ts';
import { repairObjects, type Repaired } from '../transfer/repair.ts';
import { verifyObjects, type VerifyFinding, type VerifyOptions, type VerifyResult } from '../transfer/verify.ts';
import { copyOptions } from './copy-command.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { findingsJson, showFindings, unprovenIn } from './transfer-answer.ts';
import { quoted, refusalsOf, sideOf, withTransfer, type TransferSession } from './transfer-session.ts';
import { UserError } from './user-error.ts';

/** `crossfade verify FROM TO`, or `verify TO --manifest FILE`: what is missing, extra or different in TO. */
export async function verifyCommand(locations: readonly string[], flags: CommandFlags): Promise<number> {
  const [first, second] = locations;
  if (first === undefined)
    throw new UserError(
      'CROSSFADE_LOCATION_MISSING',
      'verify needs two locations: FROM and TO',
      'see: crossfade verify --help',
    );
  refuseFlags(flags);
  if (second !== undefined) {
    const use = flags.repair === true ? 'write' : 'read';
    const wanted = [
      { text: first, use: 'read' },
      { text: second, use },
    ] as const;
    return withTransfer('verify', flags, wanted, (session) => verifyBoth(session));
  }
  const { manifest } = flags;
  if (manifest === undefined)
    throw new UserError(
      'CROSSFADE_LOCATION_MISSING',
      `verify needs a second location, or a manifest to hold ${first} against`,
      'see: crossfade verify --help',
    );
  if (flags.repair === true)
    throw new UserError(
      'CROSSFADE_ARGUMENT_UNKNOWN',
      'a manifest has no bytes to repair from',
      'name the source as well: crossfade verify FROM TO --repair',
    );
  await access(resolve(manifest)).catch(() => {
    throw new UserError('CROSSFADE_MANIFEST_MISSING', `there is no manifest ${manifest}`, 'check how it is spelled');
  });
  return withTransfer('verify', flags, [{ text: first, use: 'read' }], (session) => verifyManifest(session, manifest));
}

function refuseFlags(flags: CommandFlags): void {
  for (const name of ['bandwidth', 'until-caught-up', 'max-lag', 'no-verify', 'dry-run', 'shared'] as const) {
    if (flags[name] === undefined || (name === 'bandwidth' && flags.repair === true)) continue;
    throw new UserError('CROSSFADE_ARGUMENT_UNKNOWN', `--${name} belongs to copy`, 'see: crossfade verify --help');
  }
}

async function verifyBoth(session: TransferSession): Promise<number> {
  const { flags, findings } = session;
  const file = flags.manifest === undefined ? null : resolve(flags.manifest);
  const work = async (more: Pick<VerifyOptions, 'onVerified'>): Promise<Omit<Verified, 'findings' | 'manifest'>> => {
    const stores = verifyOptions(session, sideOf(session, 0).store, sideOf(session, 1).store);
    const options: VerifyOptions = { ...stores, ...more, refuses: await refusalsOf(session) };
    const result = await verifyObjects(options);
    return { result, repaired: flags.repair === true ? await repair(session, options) : null };
  };
  const { result: found, manifest } = await withManifest(file, work, ({ repaired }) =>
    repaired === null ? unprovenIn(findings.all()) : unprovenIn(goneIn(findings), repaired.left.all()),
  );
  return answer(session, { ...found, findings, manifest });
}

/** What was wrong and is repaired is proven; what is gone stays so. */
async function* goneIn(findings: Findings): AsyncGenerator<Finding> {
  for await (const one of findings.all()) if (one.kind === 'gone') yield one;
}

async function verifyManifest(session: TransferSession, manifest: string): Promise<number> {
  const source: ManifestSource = await openManifestSource(resolve(manifest));
  try {
    const to = sideOf(session, 0);
    const target = session.flags.deep === true ? withoutEtags(to.store) : to.store;
    // The manifest has no bytes: deep means that the target is read, whatever its ETags say.
    const options = { ...verifyOptions(session, source.store, target), deep: false };
    const { prefix } = session.options;
    const filter = (key: string): boolean => key.startsWith(prefix) && options.filter?.(key) !== false;
    const result = await verifyObjects({ ...options, filter, refuses: (key) => to.refuses(key) });
    return answer(session, { result, findings: session.findings, repaired: null, manifest: null });
  } finally {
    await source.close();
  }
}

function withoutEtags({ md5: _md5, ...store }: ObjectStore): ObjectStore {
  return {
    ...store,
    async *list(prefix, after) {
      for await (const head of store.list(prefix, after)) yield { ...head, etag: '' };
    },
    async head(key) {
      const found = await store.head(key);
      return found === null ? null : { ...found, etag: '' };
    },
  };
}

function verifyOptions(session: TransferSession, from: ObjectStore, to: ObjectStore): VerifyOptions {
  const { flags, options, findings, view, signal, concurrency } = session;
  return {
    from,
    to,
    concurrency,
    signal,
    deep: flags.deep === true,
    onProgress: (progress) => view.show('verified', progress),
    onFinding: (finding) => findings.add(finding),
    ...(options.filter === null ? {} : { filter: options.filter }),
  };
}

interface Repair extends Repaired {
  /** What is still wrong. */
  readonly left: Findings;
}

async function repair(session: TransferSession, verify: VerifyOptions): Promise<Repair> {
  const { findings } = session;
  const left = openFindings(`${findings.file ?? resolve('.crossfade/transfer/verify')}.after-repair`);
  const onFinding = (finding: VerifyFinding): Promise<void> => left.add(finding);
  const { refuses } = verify;
  const copy: CopyOptions = {
    ...copyOptions(session),
    ...(refuses === undefined ? {} : { refuses }),
    onCopied({ key, unheld }) {
      // A deep verification tells it again by itself.
      if (unheld === undefined || verify.deep === true) return undefined;
      return left.add({ kind: 'unheld', key, reason: unheldText(verify.to.label, unheld) });
    },
  };
  const repaired = await repairObjects(wrongIn(findings), { copy, verify: { ...verify, onFinding } });
  return { ...repaired, left };
}

async function* wrongIn(findings: Findings): AsyncGenerator<string> {
  for await (const { kind, key } of findings.all()) if (WRONG.has(kind)) yield key;
}

/** What a repair takes up. */
const WRONG: ReadonlySet<FindingKind> = new Set(['missing', 'different', 'metadata', 'failed']);

interface Verified {
  readonly result: VerifyResult;
  readonly findings: Findings;
  readonly repaired: Repair | null;
  readonly manifest: WrittenManifest | null;
}

/** What was wrong before is now what the repair made of it. */
function accountOf({ result: { account }, findings: { counts }, repaired }: Verified): Account {
  const failed = counts.missing + counts.different + counts.metadata + counts.failed;
  if (repaired === null) return { ...account, failed, gone: counts.gone };
  const { proven, failed: left, gone } = repaired.account;
  return { ...account, proven: account.proven + proven, failed: left, gone: counts.gone + gone };
}

type Outcome = 'done' | 'failed' | 'nothing';

async function answer(session: TransferSession, verified: Verified): Promise<number> {
  const { result, findings, repaired, manifest } = verified;
  const { view, flags } = session;
  const target = session.locations.at(-1)?.text ?? '';
  const account = accountOf(verified);
  const { listed, proven, failed, gone } = account;
  const wrong = failed + findings.counts.skipped + findings.counts.extra > 0 || unaccounted(account) !== 0;
  const outcome: Outcome = wrong ? 'failed' : proven === 0 ? 'nothing' : 'done';
  showFindings(view, findings);
  if (repaired !== null) {
    view.say(`repaired: ${repaired.copied} copied again, ${repaired.account.proven} of them proven`);
    showFindings(view, repaired.left);
    await repaired.left.close();
  }
  view.say(`${accountText(account)}, in ${target}`);
  const unnamed = unaccountedText(account);
  if (unnamed !== null) view.say(unnamed);
  if (listed === 0) view.say('there was nothing to verify: check the prefix and the patterns');
  else if (proven === 0 && !wrong) view.say('nothing is proven: all that was listed was deleted meanwhile');
  if (flags.json === true) {
    const { objects, bytes, verified: before } = result;
    const document = {
      outcome,
      listed,
      proven,
      failed,
      gone,
      objects,
      bytes,
      verified: before,
      deep: flags.deep === true,
      ...findingsJson(findings),
      repaired:
        repaired === null
          ? null
          : { copied: repaired.copied, verified: repaired.account.proven, left: findingsJson(repaired.left) },
      manifest,
      next: nextOf(session, outcome === 'done', failed),
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }
  return outcome === 'done' ? EXIT.done : EXIT.failed;
}

function nextOf({ locations, command, flags }: TransferSession, good: boolean, left: number): string[] {
  if (good || locations.length < 2) return good ? [] : [command];
  const both = locations.map(({ text }) => quoted(text)).join(' ');
  return left > 0 && flags.repair !== true ? [`crossfade verify ${both} --repair`] : [command];
}

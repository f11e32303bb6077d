import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ObjectStore } from '../providers/providers.ts';
import { openFindings, type Findings } from '../transfer/findings.ts';
import { openManifestSource, type ManifestSource } from '../transfer/manifest-file.ts';
import { withManifest, type WrittenManifest } from '../transfer/manifest.ts';
import { repairObjects } from '../transfer/repair.ts';
import { verifyObjects, type VerifyOptions, type VerifyResult } from '../transfer/verify.ts';
import { copyOptions } from './copy-command.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { findingsJson, showFindings } from './transfer-answer.ts';
import { quoted, sideOf, withTransfer, type TransferSession } from './transfer-session.ts';
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
  const { result: found, manifest } = await withManifest(file, async (more) => {
    const stores = verifyOptions(session, sideOf(session, 0).store, sideOf(session, 1).store);
    const options: VerifyOptions = { ...stores, ...more };
    const result = await verifyObjects(options);
    return { result, repaired: flags.repair === true ? await repair(session, options) : null };
  });
  return answer(session, { ...found, findings, manifest });
}

async function verifyManifest(session: TransferSession, manifest: string): Promise<number> {
  const source: ManifestSource = await openManifestSource(resolve(manifest));
  try {
    const target = sideOf(session, 0).store;
    const to = session.flags.deep === true ? withoutEtags(target) : target;
    // The manifest has no bytes: deep means that the target is read, whatever its ETags say.
    const options = { ...verifyOptions(session, source.store, to), deep: false };
    const { prefix } = session.options;
    const filter = (key: string): boolean => key.startsWith(prefix) && options.filter?.(key) !== false;
    const result = await verifyObjects({ ...options, filter });
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

interface Repaired {
  readonly copied: number;
  readonly verified: number;
  /** What is still wrong. */
  readonly left: Findings;
}

async function repair(session: TransferSession, verify: VerifyOptions): Promise<Repaired> {
  const { findings } = session;
  const left = openFindings(`${findings.file ?? resolve('.crossfade/transfer/verify')}.after-repair`);
  async function* wrong(): AsyncGenerator<string> {
    for await (const { kind, key } of findings.all()) if (kind === 'missing' || kind === 'different') yield key;
  }
  const copy = {
    ...copyOptions(session),
    onFailed: ({ key, reason }: { key: string; reason: string }) => left.add({ kind: 'failed' as const, key, reason }),
  };
  const done = await repairObjects(wrong(), { copy, verify: { ...verify, onFinding: (finding) => left.add(finding) } });
  return { ...done, left };
}

interface Verified {
  readonly result: VerifyResult;
  readonly findings: Findings;
  readonly repaired: Repaired | null;
  readonly manifest: WrittenManifest | null;
}

async function answer(session: TransferSession, { result, findings, repaired, manifest }: Verified): Promise<number> {
  const { view, flags } = session;
  const target = session.locations.at(-1)?.text ?? '';
  const { missing, different, skipped, extra } = findings.counts;
  const left = repaired === null ? missing + different : wrongIn(repaired.left);
  const empty = result.objects === 0;
  const good = left + skipped + extra === 0 && !empty;
  showFindings(view, findings);
  view.say(
    `verified ${result.verified.toLocaleString('en')} of ${result.objects.toLocaleString('en')} objects in ${target}`,
  );
  if (empty) view.say('there was nothing to verify: check the prefix and the patterns');
  if (repaired !== null) {
    view.say(`repaired: ${repaired.copied} copied again, ${repaired.verified} of them proven`);
    showFindings(view, repaired.left);
    await repaired.left.close();
  }
  if (flags.json === true) {
    const { objects, bytes, verified } = result;
    const document = {
      outcome: good ? 'done' : empty ? 'nothing' : 'failed',
      objects,
      bytes,
      verified,
      deep: flags.deep === true,
      ...findingsJson(findings),
      repaired:
        repaired === null
          ? null
          : { copied: repaired.copied, verified: repaired.verified, left: findingsJson(repaired.left) },
      manifest,
      next: nextOf(session, good, left),
    };
    process.stdout.write(`${JSON.stringify(document)}\n`);
  }
  return good ? EXIT.done : EXIT.failed;
}

const wrongIn = ({ counts }: Findings): number => counts.missing + counts.different + counts.failed;

function nextOf({ locations, command, flags }: TransferSession, good: boolean, left: number): string[] {
  if (good || locations.length < 2) return good ? [] : [command];
  const both = locations.map(({ text }) => quoted(text)).join(' ');
  return left > 0 && flags.repair !== true ? [`crossfade verify ${both} --repair`] : [command];
}

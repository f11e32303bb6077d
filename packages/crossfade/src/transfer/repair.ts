import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import type { Account } from './account.ts';
import { copyObjects, type CopyOptions } from './copy.ts';
import { compareKeys } from './key-range.ts';
import { listedEntry } from './listed-entry.ts';
import { untoldText } from './lost-metadata.ts';
import { verifyObjects, type VerifyFinding, type VerifyOptions } from './verify.ts';

/** Keys that are taken up together. */
const BATCH = 10_000;

export interface RepairOptions {
  readonly copy: CopyOptions;
  /** How what was copied again is verified: with the same depth as before. `onFinding` is told what is still wrong. */
  readonly verify: VerifyOptions;
}

export interface Repaired {
  readonly copied: number;
  /** Of the keys that were to be repaired. */
  readonly account: Account;
}

/**
 * Copies these objects again, whatever the listings say of them, and verifies them again. Each key that is not proven
 * then is told once: by the copy's reason where it has one, else by the verification's.
 */
export async function repairObjects(keys: AsyncIterable<string>, { copy, verify }: RepairOptions): Promise<Repaired> {
  let [copied, listed, proven, failed, gone] = [0, 0, 0, 0, 0];
  const tell = verify.onFinding ?? (() => {});
  for await (const batch of inBatches(keys)) {
    const left = new Set(batch);
    const reasons = new Map<string, string>();
    /** Custom values that the source did not tell, though it has them. */
    const lost = new Map<string, string>();
    const onCopied: CopyOptions['onCopied'] = (object) => {
      const reason = untoldText(copy.from.label, object.untoldMeta);
      if (reason !== null) lost.set(object.key, reason);
      return copy.onCopied?.(object);
    };
    const onFailed: CopyOptions['onFailed'] = ({ key, reason }) => void reasons.set(key, reason);
    const from = onlyListed(copy.from, batch);
    copied += (await copyObjects({ ...copy, from, to: listingNothing(copy.to), onCopied, onFailed })).copied;
    const onVerified: VerifyOptions['onVerified'] = (object) => {
      left.delete(object.key);
      const reason = lost.get(object.key);
      if (reason !== undefined) {
        failed++;
        return tell({ kind: 'metadata', key: object.key, reason });
      }
      proven++;
      return verify.onVerified?.(object);
    };
    const onFinding = (finding: VerifyFinding): Promise<void> | void => {
      const { kind, key } = finding;
      if (kind === 'extra') return;
      if (kind === 'unheld') return tell(finding);
      left.delete(key);
      if (kind === 'gone') gone++;
      else failed++;
      const reason = kind === 'gone' ? undefined : reasons.get(key);
      return tell(reason === undefined ? finding : { kind: 'failed', key, reason });
    };
    await verifyObjects({ ...verify, from, to: onlyThese(verify.to, batch), onVerified, onFinding });
    // In the source's listing no more.
    for (const key of left) await tell({ kind: 'gone', key });
    gone += left.size;
    listed += batch.length;
  }
  return { copied, account: { listed, proven, failed, gone, late: 0 } };
}

async function* inBatches(keys: AsyncIterable<string>): AsyncGenerator<string[]> {
  let batch: string[] = [];
  for await (const key of keys) {
    batch.push(key);
    if (batch.length < BATCH) continue;
    yield batch.sort(compareKeys);
    batch = [];
  }
  if (batch.length > 0) yield batch.sort(compareKeys);
}

type Look = (key: string) => Promise<ObjectHead | null>;

/** The listing says what there is to copy: an object whose HEAD fails must fail by itself, and not end the others'. */
function onlyListed(store: ObjectStore, keys: readonly string[]): ObjectStore {
  return { ...store, list: listOf(keys, (key) => listedEntry(store, key)) };
}

function onlyThese(store: ObjectStore, keys: readonly string[]): ObjectStore {
  // What cannot be looked at is looked at once more where it is judged, and told there.
  return { ...store, list: listOf(keys, (key) => store.head(key).catch(() => null)) };
}

function listOf(keys: readonly string[], look: Look): ObjectStore['list'] {
  return async function* (prefix = '', after = '') {
    for (const key of keys) {
      if (!key.startsWith(prefix) || compareKeys(key, after) <= 0) continue;
      const found = await look(key);
      if (found !== null) yield found;
    }
  };
}

/** To a copy, nothing is there yet. */
function listingNothing(store: ObjectStore): ObjectStore {
  return { ...store, async *list() {} };
}

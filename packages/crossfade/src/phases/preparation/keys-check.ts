import type { ObjectStore } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { toJson } from '../../rollout/json.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

interface NamedKey {
  readonly key: string;
  readonly reason: string;
}

export interface JudgedKeys {
  /** Of legacy. */
  readonly keys: number;
  /** In legacy, and the Worker will not serve them. */
  readonly unservable: NamedKey[];
  /** In legacy, and one object in R2, which takes keys that differ by Unicode normalisation for the same (its documentation). */
  readonly sameInR2: NamedKey[];
  /** In R2, and legacy could not hold them. */
  readonly refusedByLegacy: NamedKey[];
}

const EVIDENCE = 'preparation/keys.json';
const MOST_NAMED = 10;

/** Reads both listings and no bytes. Memory holds what is named, and the keys that are not in normal form. */
export async function judgeKeys(
  stores: { readonly legacy: ObjectStore; readonly r2: ObjectStore; readonly signal: AbortSignal },
  whyUnservable: (key: string) => string | null,
): Promise<JudgedKeys> {
  const { legacy, r2, signal } = stores;
  const judged: JudgedKeys = { keys: 0, unservable: [], sameInR2: [], refusedByLegacy: [] };
  let keys = 0;
  /** Normal form → the keys that have it and are not in it. */
  const unnormalised = new Map<string, string[]>();
  for await (const { key } of legacy.list()) {
    signal.throwIfAborted();
    keys++;
    const reason = whyUnservable(key);
    if (reason !== null) judged.unservable.push({ key, reason: `the key ${reason}` });
    const normal = key.normalize('NFC');
    if (normal !== key) unnormalised.set(normal, [...(unnormalised.get(normal) ?? []), key]);
  }
  for (const [normal, others] of unnormalised) {
    signal.throwIfAborted();
    const isThere = (legacy.refuses?.(normal) ?? null) === null && (await legacy.head(normal)) !== null;
    const same = isThere ? [normal, ...others] : others;
    if (same.length < 2) continue;
    for (const key of same) {
      const reason = `R2 keeps one of ${same.map((one) => escaped(one)).join(' and ')}: they differ only by Unicode normalisation`;
      judged.sameInR2.push({ key, reason });
    }
  }
  for await (const { key } of r2.list()) {
    signal.throwIfAborted();
    const reason = legacy.refuses?.(key) ?? null;
    if (reason !== null) judged.refusedByLegacy.push({ key, reason });
  }
  return { ...judged, keys };
}

/** Every code point that looks like another's, told apart. */
const escaped = (key: string): string =>
  JSON.stringify(key).replaceAll(/[^ -~]/gu, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);

const named = (keys: readonly NamedKey[]): string =>
  keys
    .slice(0, MOST_NAMED)
    .map(({ key, reason }) => `${JSON.stringify(key)} (${reason})`)
    .join(', ') + (keys.length > MOST_NAMED ? `, and ${keys.length - MOST_NAMED} more` : '');

/**
 * Each key that would not survive the way there or back, by its name and before anything is copied. What people have
 * read and live with they list in the config; of keys that are one in R2 they have to rename one.
 */
export function keysCheck(): Check {
  return {
    id: 'production.keys',
    title: 'Every key can be served by the Worker, held by R2, and taken back by the old store',
    proves: [],
    async run(context: RolloutContext) {
      const { config, providers, signal } = context;
      const stores = { legacy: providers.legacyStore, r2: providers.r2.production, signal };
      const judged = await judgeKeys(stores, config.worker.whyUnservable ?? (() => null));
      const evidence = await context.keep(EVIDENCE, JSON.stringify(judged, null, 2));
      const { unservableKeys = [], refusedKeys = [] } = config.transfer.accepted ?? {};
      const without = (keys: readonly NamedKey[], accepted: readonly string[]): NamedKey[] => {
        const known = new Set(accepted);
        return keys.filter(({ key }) => !known.has(key));
      };
      const unservable = without(judged.unservable, unservableKeys);
      const refused = without(judged.refusedByLegacy, refusedKeys);
      const { sameInR2 } = judged;
      const wrong = [
        ...(unservable.length > 0 ? [`the Worker will not serve ${named(unservable)}`] : []),
        ...(sameInR2.length > 0 ? [`R2 cannot hold each of ${named(sameInR2)}`] : []),
        ...(refused.length > 0 ? [`R2 holds what the old store could not take back: ${named(refused)}`] : []),
      ];
      const acceptedCount =
        judged.unservable.length + judged.refusedByLegacy.length - unservable.length - refused.length;
      return verdict(wrong.length === 0, {
        summary:
          wrong.length === 0 ? `${judged.keys} keys, ${acceptedCount} of them accepted as they are` : wrong.join('; '),
        measured: toJson({
          keys: judged.keys,
          unservable: unservable.length,
          sameInR2: sameInR2.length,
          refusedByLegacy: refused.length,
          accepted: acceptedCount,
        }),
        expected: { unservable: 0, sameInR2: 0, refusedByLegacy: 0 },
        evidence: [evidence],
        mend: `rename them in the old store, or list what you accept in transfer.accepted (unservableKeys, refusedKeys); all are in ${EVIDENCE}`,
      });
    },
  };
}

import { hash } from 'node:crypto';
import { pagesOf } from '../providers/listing.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { listObjects } from './list-in-ranges.ts';
import type { Concurrency } from './pace.ts';

// A store that normalises keys holds one object where the source has several, and each copy would overwrite the other's.
// Keys that differ by normalisation alone are no neighbours in a listing, so all that are not ASCII have to be
// remembered: as bits, so that memory stays flat. What the bits call suspect, a second listing settles.

/** 16 MiB: of a million keys that are not ASCII, some ten are suspected without reason. */
const BITS = 2 ** 27;
/** Bits of one key; 27 each, out of its SHA-1. */
const BITS_EACH = 3;
const NOT_ASCII = /[^\x00-\x7f]/; // oxlint-disable-line no-control-regex

export interface KeyAliases {
  /** Why a key cannot be copied beside the others; `null` when it can. */
  refuses(key: string): string | null;
  readonly keys: number;
}

export const NO_ALIASES: KeyAliases = { refuses: () => null, keys: 0 };

export interface AliasOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  readonly filter?: (key: string) => boolean;
  readonly concurrency: Concurrency;
  readonly signal: AbortSignal;
}

/**
 * Keys of the source that a target which normalises them would hold as one object. Lists the source once; twice where
 * some keys look alike. No listing where the target tells all keys apart. Throws as the listing does.
 */
export async function findKeyAliases(options: AliasOptions): Promise<KeyAliases> {
  if (options.to.normalizesKeys !== true) return NO_ALIASES;
  const suspects = await suspectedForms(options);
  if (suspects.size === 0) return NO_ALIASES;
  const forms = new Map<string, string[]>();
  await eachStrangeKey(options, (key) => {
    const form = key.normalize('NFC');
    if (!suspects.has(digestOf(form))) return;
    const same = forms.get(form) ?? [];
    // A long listing may tell a key twice, where it is cut.
    if (!same.includes(key)) forms.set(form, [...same, key]);
  });
  const reasons = new Map<string, string>();
  for (const same of forms.values())
    for (const key of same.length > 1 ? same : []) {
      const others = same.filter((other) => other !== key).map(spelled);
      reasons.set(
        key,
        `${options.to.label} normalises keys to NFC and would hold one object for ${spelled(key)} and ${others.join(' and ')}: rename all but one in the source`,
      );
    }
  return { refuses: (key) => reasons.get(key) ?? null, keys: reasons.size };
}

async function suspectedForms(options: AliasOptions): Promise<Set<string>> {
  const suspects = new Set<string>();
  let bits: Uint8Array | null = null;
  await eachStrangeKey(options, (key) => {
    const seen = (bits ??= new Uint8Array(BITS / 8));
    const digest = digestOf(key.normalize('NFC'));
    if (!mark(seen, digest)) suspects.add(digest);
  });
  return suspects;
}

/** Marks a digest; `false` when it was marked before, or seems so. */
function mark(bits: Uint8Array, digest: string): boolean {
  let isNew = false;
  for (let at = 0; at < BITS_EACH; at++) {
    const bit = Number.parseInt(digest.slice(at * 8, at * 8 + 8), 16) % BITS;
    const [byte, mask] = [Math.floor(bit / 8), 1 << (bit % 8)];
    isNew ||= ((bits[byte] ?? 0) & mask) === 0;
    bits[byte] = (bits[byte] ?? 0) | mask;
  }
  return isNew;
}

const digestOf = (form: string): string => hash('sha1', form);

/** As code points beyond ASCII, since both look the same on a screen. */
function spelled(key: string): string {
  const points = Array.from(key, (one) =>
    NOT_ASCII.test(one) ? `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}` : one,
  );
  return `"${points.join('')}"`;
}

async function eachStrangeKey(
  { from, filter, concurrency, signal }: AliasOptions,
  take: (key: string) => void,
): Promise<void> {
  const wanted = ({ key, unreadable }: ObjectHead): boolean =>
    unreadable === undefined && NOT_ASCII.test(key) && (filter === undefined || filter(key));
  for await (const page of pagesOf(listObjects(from, { concurrency, signal }))) {
    signal.throwIfAborted();
    for (const one of page) if (wanted(one)) take(one.key);
  }
}

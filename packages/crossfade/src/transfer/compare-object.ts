import { createHash } from 'node:crypto';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { etagsAgree, md5Named } from './checksum-rules.ts';
import { candidatePartSizes, createCompositeHash, partsOf } from './composite-etag.ts';
import { readBody } from './object-body.ts';

/** What proved it, from the cheapest: equal MD5 ETags, equal ETags of parts, the source's ETag recomputed from the target's bytes, both read. */
export type Proof = 'md5-etags' | 'composite-etags' | 'md5-of-target' | 'composite-etag-of-target' | 'sha256-of-both';

export type Comparison =
  | { readonly equal: true; readonly proof: Proof; readonly md5: string | null; readonly sha256: string | null }
  | { readonly equal: false; readonly reason: string; readonly expected: string; readonly measured: string };

const NOTHING = 'nothing';

/**
 * Whether the target holds the source's bytes, by the rules of `checksum-rules.ts`. Equal sizes alone prove nothing:
 * where the ETags do not agree, the target is read and the source's ETag recomputed from its bytes; where that does not
 * prove it either, or `deep` is asked for, both sides are read and their SHA-256 compared.
 */
export async function compareObject(
  stores: { readonly from: ObjectStore; readonly to: ObjectStore },
  source: ObjectHead,
  target: ObjectHead,
  options: { readonly deep: boolean; readonly signal: AbortSignal },
): Promise<Comparison> {
  const { key } = source;
  const { deep, signal } = options;
  const proven = deep ? null : provenByListings(source, target);
  if (proven !== null) return proven;
  if (source.size !== target.size) {
    return { equal: false, reason: 'size', expected: `${source.size} bytes`, measured: `${target.size} bytes` };
  }
  const named = deep ? null : await md5Of(stores.from, source);
  const there = named === null ? null : await md5Of(stores.to, target);
  if (named !== null && there !== null) {
    if (named.md5 === there.md5) return { equal: true, proof: 'md5-etags', md5: named.md5, sha256: null };
    if (named.computed && there.computed)
      return { equal: false, reason: 'MD5', expected: named.md5, measured: there.md5 };
  }
  const measured = await hashObject(stores.to, key, signal, deep ? null : source.etag);
  if (measured === null) return { equal: false, reason: 'gone', expected: `${source.size} bytes`, measured: NOTHING };
  const { md5, sha256 } = measured;
  if (named?.md5 === md5) return { equal: true, proof: 'md5-of-target', md5, sha256 };
  if (named?.computed === true) return { equal: false, reason: 'MD5', expected: named.md5, measured: md5 };
  if (measured.composites.includes(source.etag)) return { equal: true, proof: 'composite-etag-of-target', md5, sha256 };
  // What looks like an MD5 need not be one: only the bytes of both say that they differ.
  const expected = await hashObject(stores.from, key, signal, null);
  if (expected?.sha256 === sha256) return { equal: true, proof: 'sha256-of-both', md5, sha256 };
  // A manifest names an MD5 and has no bytes.
  return named !== null && (expected === null || expected.md5 === named.md5)
    ? { equal: false, reason: 'MD5', expected: named.md5, measured: md5 }
    : { equal: false, reason: 'SHA-256', expected: expected?.sha256 ?? NOTHING, measured: sha256 };
}

/** That they are equal, where the listings alone prove it; `null` where they do not. */
export function provenByListings(source: ObjectHead, target: ObjectHead): (Comparison & { equal: true }) | null {
  if (!etagsAgree(source, target)) return null;
  const md5 = md5Named(source);
  // Hashes of hashes otherwise, which only the same bytes in the same parts share.
  return { equal: true, proof: md5 === null ? 'composite-etags' : 'md5-etags', md5, sha256: null };
}

/** The MD5 of the bytes, where the store tells it without sending them; one that it has computed is sure to be theirs. */
async function md5Of(
  store: ObjectStore,
  head: ObjectHead,
): Promise<{ readonly md5: string; readonly computed: boolean } | null> {
  const named = md5Named(head);
  if (named !== null) return { md5: named, computed: false };
  const md5 = (await store.md5?.(head.key)) ?? null;
  return md5 === null ? null : { md5, computed: true };
}

/** Reads an object once; `composites` are the ETags it would have if uploaded in as many parts as `likeEtag` names. */
async function hashObject(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
  likeEtag: string | null,
): Promise<{ md5: string; sha256: string; composites: string[] } | null> {
  const opened = await store.get(key);
  if (opened === null) return null;
  const parts = likeEtag === null ? null : partsOf(likeEtag);
  const composites = parts === null ? [] : candidatePartSizes(opened.size, parts).map(createCompositeHash);
  const md5 = createHash('md5');
  const sha256 = createHash('sha256');
  for await (const chunk of readBody(store, opened, signal)) {
    md5.update(chunk);
    sha256.update(chunk);
    for (const composite of composites) composite.update(chunk);
  }
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex'), composites: composites.map((one) => one.etag()) };
}

import { createHash } from 'node:crypto';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import { md5Named } from './checksum-rules.ts';
import { createCompositeHash } from './composite-etag.ts';
import { ObjectChanged, readBody } from './object-body.ts';

/** What our own hashes say of bytes that went by. */
export interface SentBytes {
  readonly md5: string;
  /** `null` where they did not go by in one piece. */
  readonly sha256: string | null;
}

/**
 * Makes sure that what a source has sent is what it holds, where its ETag looks like an MD5 and is another one: that
 * is no MD5 at all, or the bytes are damaged. By a header, or by a second reading.
 * @throws ObjectChanged when it is another version by now, and Error when the second reading brings other bytes
 */
export async function demandSameAgain(
  from: ObjectStore,
  listed: ObjectHead,
  sent: SentBytes,
  signal: AbortSignal,
): Promise<void> {
  const told = md5Named(listed);
  if (told === null || told === sent.md5) return;
  const { key, etag } = listed;
  const head = await from.head(key);
  if (head === null || head.etag !== etag) throw new ObjectChanged(`${key} changed in ${from.label} while it was read`);
  if (head.opaqueEtag === true) return;
  const again = await hashAgain(from, key, signal);
  if (again !== null && same(again, sent)) return;
  throw new Error(
    `${from.label} says that the MD5 is ${told}, the bytes it sent have ${sent.md5}, and those it sent again ${again?.md5 ?? 'are none'}`,
  );
}

/**
 * Makes sure that a target holds what it was sent, where it answered with an ETag that looks like another MD5. By a
 * header, or by reading it back.
 * @throws Error when it holds other bytes
 */
export async function demandStored(
  to: ObjectStore,
  stored: { readonly key: string; readonly etag: string },
  sent: SentBytes,
  signal: AbortSignal,
): Promise<void> {
  const told = md5Named(stored);
  if (told === null || told === sent.md5) return;
  const head = await to.head(stored.key);
  if (head?.opaqueEtag === true) return;
  const held = head === null ? null : await hashAgain(to, stored.key, signal);
  if (held !== null && same(held, sent)) return;
  throw new Error(
    `${to.label} stored bytes with the MD5 ${told}, sent was ${sent.md5}; read back they have ${held?.md5 ?? 'none: the object is gone'}`,
  );
}

/** As `demandStored`, of an object that was sent in parts of `partSize` bytes, of which the ETag would be `composite`. */
export async function demandStoredParts(
  to: ObjectStore,
  key: string,
  partSize: number,
  composite: string,
  signal: AbortSignal,
): Promise<void> {
  const head = await to.head(key);
  if (head?.opaqueEtag === true) return;
  const opened = head === null ? null : await to.get(key);
  const held = createCompositeHash(partSize);
  if (opened !== null) for await (const chunk of readBody(to, opened, signal)) held.update(chunk);
  if (opened === null || held.etag() !== composite)
    throw new Error(`${to.label} stored other parts of ${key} than it was sent`);
}

/** Whether a store says, in the headers that a listing lacks, that its ETag of this object is no hash of the bytes. */
export async function tellOpaqueEtag(
  { from, to }: { readonly from: ObjectStore; readonly to: ObjectStore },
  key: string,
): Promise<boolean> {
  const heads = await Promise.all([from.head(key), to.head(key)]);
  return heads.some((head) => head?.opaqueEtag === true);
}

const same = (held: { md5: string; sha256: string }, sent: SentBytes): boolean =>
  held.md5 === sent.md5 && (sent.sha256 === null || held.sha256 === sent.sha256);

async function hashAgain(
  store: ObjectStore,
  key: string,
  signal: AbortSignal,
): Promise<{ md5: string; sha256: string } | null> {
  const opened = await store.get(key);
  if (opened === null) return null;
  const [md5, sha256] = [createHash('md5'), createHash('sha256')];
  for await (const chunk of readBody(store, opened, signal)) {
    md5.update(chunk);
    sha256.update(chunk);
  }
  return { md5: md5.digest('hex'), sha256: sha256.digest('hex') };
}

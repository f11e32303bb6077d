import { createHash, hash } from 'node:crypto';
import { isRetryable } from '../providers/provider-error.ts';
import type { ObjectHead, ObjectStore } from '../providers/providers.ts';
import type { PartUploads, UnfinishedUpload, UploadId } from '../providers/store-abilities.ts';
import { compositeEtagOf } from '../providers/s3/parts.ts';
import { md5Named, partsNamed } from './checksum-rules.ts';
import { candidatePartSizes, isPlainMd5, partsOf } from './composite-etag.ts';
import { lostOf, type CopiedObject, type CopyTools } from './copy-tools.ts';
import { keptMeta } from './kept-meta.ts';
import { ObjectChanged, readInto } from './object-body.ts';
import { demandSameAgain, demandStoredParts } from './untrue-etags.ts';

const MIB = 1024 * 1024;
/** Part sizes that S3 takes, and that a bounded memory holds some of, bytes. */
const [LEAST_PART, MOST_PART] = [5 * MIB, 64 * MIB];

/**
 * Size of the parts in which an object goes up, bytes; `null` when it goes up whole. That in which it came up once is
 * the best: then the target has the same composite ETag as the source, and a listing proves it from then on.
 */
export function partSizeOf(to: PartUploads, { size, etag }: ObjectHead): number | null {
  const own = to.partSizeFor(size);
  const parts = partsOf(etag);
  if (parts === null || parts === 1) return own;
  const fitting = candidatePartSizes(size, parts).filter((bytes) => bytes >= LEAST_PART && bytes <= MOST_PART);
  return own !== null && fitting.includes(own) ? own : (fitting[0] ?? own);
}

/**
 * Copies an object in parts that are on their way side by side, each with its MD5, which the target confirms. Parts
 * that an earlier attempt left are not sent again; they are believed only as far as their MD5s are the source's.
 * `null` when the source has the object no more.
 * @throws as `copyObject` does
 */
export async function copyInParts(
  tools: CopyTools,
  to: ObjectStore & PartUploads,
  listed: ObjectHead,
  partSize: number,
  moved: (bytes: number) => void,
): Promise<CopiedObject | null> {
  const { from, signal } = tools;
  const { key, size } = listed;
  const source = await from.head(key);
  if (source === null) return null;
  if (source.size !== size || source.etag !== listed.etag)
    throw new ObjectChanged(`${key} changed in ${from.label} since it was listed`);
  const resumed = (await to.listUploads(key)).find((upload) => fits(upload, size, partSize)) ?? null;
  const upload = { key, id: resumed?.id ?? (await to.createUpload(key, keptMeta(source.meta, listed))) };
  try {
    const there = new Map(resumed?.parts.map(({ number, md5 }) => [number, md5]));
    const sized = resumed?.parts.every((part) => part.size !== null) ?? true;
    const copied = await copyParts(tools, to, upload, source, { size: partSize, there, sized }, moved);
    const { etags, md5s, md5 } = copied;
    if (md5 !== null) await demandSameAgain(from, source, { md5, sha256: null }, signal);
    const { etag } = await to.publishUpload(upload, size, etags);
    if (etags.some((name, at) => isPlainMd5(name) && name !== md5s[at]))
      await demandStoredParts(to, key, partSize, compositeEtagOf(md5s), signal);
    return { key, size, etag, md5, sha256: null, ...lostOf(to, source.meta) };
  } catch (error) {
    // What passes, or what an operator stops, is gone on with later. All else is worth nothing.
    if (!signal.aborted && !isRetryable(error)) await to.deleteUpload(upload);
    throw error;
  }
}

/** Whether an upload was begun with this part size: another's would not be. */
function fits({ parts }: UnfinishedUpload, size: number, partSize: number): boolean {
  const sizeOf = (number: number): number => Math.min(partSize, size - (number - 1) * partSize);
  return (
    parts.length > 0 &&
    parts.every(({ md5, number, size: bytes }) => {
      // Without a size a part counts by its MD5 alone, against the bytes that are to be sent.
      const isOurs = bytes === null ? sizeOf(number) > 0 : bytes === sizeOf(number);
      return isPlainMd5(md5) && isOurs;
    })
  );
}

async function copyParts(
  tools: CopyTools,
  to: PartUploads,
  upload: UploadId,
  listed: ObjectHead,
  parts: {
    readonly size: number;
    /** MD5s of those that an earlier attempt left, and whether the store told their sizes. */
    readonly there: ReadonlyMap<number, string>;
    readonly sized: boolean;
  },
  moved: (bytes: number) => void,
): Promise<{ etags: string[]; md5s: string[]; md5: string | null }> {
  const { size, etag, key } = listed;
  const { buffers, bandwidth, throttle, signal } = tools;
  const { size: partSize, there, sized } = parts;
  const count = Math.ceil(size / partSize);
  // The source's ETag judges all parts together, so those that are there need not be read.
  const told = sized && partsNamed(listed) === count && candidatePartSizes(size, count).includes(partSize);
  const whole = md5Named(listed) === null ? null : createHash('md5');
  const md5s: string[] = [];
  /** As the target names the parts: mostly by their MD5s. */
  const etags: string[] = [];
  const failures: unknown[] = [];
  const underWay = new Set<Promise<void>>();
  let before: Promise<void> = Promise.resolve();
  let unread = 0;

  async function copyPart(number: number, buffer: Buffer, turn: Promise<void>, read: () => void): Promise<void> {
    let reusable = false;
    try {
      await bandwidth(buffer.byteLength, signal);
      await throttle.run(async () => {
        const meta = await readInto(tools.from, listed, buffer, (number - 1) * partSize, signal);
        if (meta === null) throw new ObjectChanged(`${key} vanished from ${tools.from.label} while it was read`);
      }, buffer.byteLength);
      moved(buffer.byteLength);
      const md5 = hash('md5', buffer);
      if (whole !== null) {
        await turn;
        whole.update(buffer);
      }
      read();
      if (there.get(number) === md5) etags[number - 1] = md5;
      else
        etags[number - 1] = await throttle.run(() => {
          signal.throwIfAborted();
          return to.putPart(upload, number, buffer, md5);
        }, buffer.byteLength);
      md5s[number - 1] = md5;
      reusable = true;
    } finally {
      read();
      buffers.giveBack(buffer, reusable);
    }
  }

  for (let number = 1; number <= count && failures.length === 0; number++) {
    const known = there.get(number);
    const bytes = Math.min(partSize, size - (number - 1) * partSize);
    if (told && known !== undefined) {
      md5s[number - 1] = known;
      etags[number - 1] = known;
      unread++;
      moved(bytes);
      continue;
    }
    const buffer = await buffers.borrow(bytes);
    const turn = before;
    const { promise, resolve } = Promise.withResolvers<void>();
    before = promise;
    const part = copyPart(number, buffer, turn, resolve)
      .catch((error: unknown) => {
        failures.push(error);
      })
      .finally(() => underWay.delete(part));
    underWay.add(part);
  }
  // None may still be writing when the upload is completed or aborted.
  await Promise.all(underWay);
  if (failures.length > 0) throw failures[0];
  if (unread > 0 && compositeEtagOf(md5s) !== etag)
    throw new Error(`parts of ${key} that were there are not the source's: they are thrown away`);
  return { etags, md5s, md5: whole?.digest('hex') ?? null };
}

import { createHash } from 'node:crypto';

const MIB = 1024 * 1024;
/** Part sizes in use, MiB: Supabase's 16, those of the AWS SDKs (5, 8), rclone, s3cmd, and what people configure. */
const COMMON_MIB = [
  5, 6, 8, 10, 12, 15, 16, 20, 24, 25, 32, 48, 50, 64, 80, 96, 100, 128, 200, 250, 256, 500, 512, 1024,
];

/** An ETag that is the MD5 of the bytes, not of the parts' MD5s. */
export function isPlainMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/.test(etag);
}

/** Number of parts that a composite ETag (`<md5 of the parts' MD5s>-<parts>`) names; `null` for any other. */
export function partsOf(etag: string): number | null {
  const parts = /^[0-9a-f]{32}-([1-9]\d*)$/.exec(etag)?.[1];
  return parts === undefined ? null : Number(parts);
}

/** Part sizes, bytes, that would have cut an object of `size` bytes into so many parts. */
export function candidatePartSizes(size: number, parts: number): number[] {
  // With one part, every size from the object's own on gives the same ETag.
  if (parts === 1) return [Math.max(size, 1)];
  const sizes = COMMON_MIB.map((mib) => mib * MIB).filter((partSize) => Math.ceil(size / partSize) === parts);
  if (size % parts === 0 && !sizes.includes(size / parts)) sizes.push(size / parts);
  return sizes;
}

export interface CompositeHash {
  update(chunk: Buffer): void;
  /** The ETag that a multipart upload in this part size has. */
  etag(): string;
}

/** Computes the ETag of a multipart upload in parts of `partSize` bytes, chunk by chunk. */
export function createCompositeHash(partSize: number): CompositeHash {
  const digests: Buffer[] = [];
  let part = createHash('md5');
  let filled = 0;
  return {
    update(chunk) {
      for (let offset = 0; offset < chunk.byteLength;) {
        const taken = Math.min(partSize - filled, chunk.byteLength - offset);
        part.update(chunk.subarray(offset, offset + taken));
        filled += taken;
        offset += taken;
        if (filled === partSize) {
          digests.push(part.digest());
          part = createHash('md5');
          filled = 0;
        }
      }
    },
    etag() {
      const all = filled > 0 || digests.length === 0 ? [...digests, part.copy().digest()] : digests;
      return `${createHash('md5').update(Buffer.concat(all)).digest('hex')}-${all.length}`;
    },
  };
}

import type { SystemHeader } from './object-meta.ts';
import type { ObjectHead, ObjectMeta, ObjectStore } from './providers.ts';

export interface UploadId {
  readonly key: string;
  readonly id: string;
}
/** Where an object lies, for a store that is told to copy it. */
export interface CopySource {
  /** Tells the store and the credential: stores where it is the same can copy for each other. Not for display. */
  readonly identity: string;
  readonly bucket: string;
  /** In the bucket, whatever a store below a prefix calls it. */
  readonly key: string;
  /** The object as it is now; `null` when it is gone. */
  look(): Promise<ObjectHead | null>;
}
export interface UnfinishedUpload {
  readonly id: string;
  /** `size` in bytes; `null` where the store does not tell it, as Supabase does not. */
  readonly parts: readonly { readonly number: number; readonly size: number | null; readonly md5: string }[];
}

/** Uploads in parts that the caller steers. */
export interface PartUploads {
  /** Size of the parts, bytes, in which an object of `size` bytes goes up; `null` when it goes up whole. */
  partSizeFor(size: number): number | null;
  createUpload(key: string, meta: ObjectMeta): Promise<string>;
  /** Answers with the part's ETag, mostly its MD5, which is for the caller to compare. Parts count from 1. */
  putPart(upload: UploadId, number: number, bytes: Buffer, md5: string): Promise<string>;
  /**
   * Makes the object of its parts, named in order as the store named them. When the answer is lost, the object is
   * looked at before this is called a failure.
   */
  publishUpload(upload: UploadId, size: number, etags: readonly string[]): Promise<{ etag: string }>;
  deleteUpload(upload: UploadId): Promise<void>;
  /** Unfinished uploads of a key, the latest first; none where the store cannot list them. */
  listUploads(key: string): Promise<readonly UnfinishedUpload[]>;
}

/** What a store says of an object beside its bytes. */
export type ReadMeta = { readonly meta: ObjectMeta } & Pick<ObjectHead, 'opaqueEtag'>;

/** What a store may be able to do besides. The transfer is faster where it can, and right where it cannot. */
export interface StoreAbilities extends PartUploads {
  /**
   * Fills a buffer from an object, from `offset` on; saves what a stream costs. `null` when the object is not there.
   * @throws ObjectChanged when it is not the version `etag` any more, or has not so many bytes.
   */
  read(
    key: string,
    into: Buffer,
    version: { readonly offset: number; readonly size: number; readonly etag: string },
  ): Promise<ReadMeta | null>;
  copySource(key: string): CopySource;
  /**
   * Copies an object that looks as `head` says, without the bytes coming by; `null` when `source` is another store or
   * credential, or the store does not know how: then what it holds under the key is to be put anew.
   * @throws ObjectChanged when it is not that version any more
   */
  putCopy(
    key: string,
    source: CopySource,
    head: ObjectHead,
    metaOf: () => Promise<ObjectMeta | null>,
  ): Promise<{ readonly etag: string } | null>;
  /**
   * A listing that begins past a key costs no more than one from the first key on, and holds a page: ranges may be
   * listed at once. A folder reads its names anew for each, and Supabase's REST its whole listing.
   */
  readonly seekable: boolean;
  /** System headers that the store takes and does not keep, or does not tell; it holds all when absent. */
  readonly unheldHeaders?: readonly SystemHeader[];
  /** Whether the bucket is there. Where it is not, a store may say the same of each object as of one that is deleted. */
  bucketExists(): Promise<boolean>;
  /** Keys that differ by Unicode normalisation alone are one object: in R2, whatever form they are asked for in. */
  readonly normalizesKeys?: boolean;
  /** Tells each time that the store asks for patience, and for how much (ms; `null` when it does not say). */
  onThrottled(listener: (retryAfterMs: number | null) => void): () => void;
}

/** The object is another one than when its reading began: the copy starts anew. */
export class ObjectChanged extends Error {
  override readonly name = 'ObjectChanged';
}

export function takesParts<Store extends ObjectStore>(store: Store): store is Store & PartUploads {
  return store.createUpload !== undefined;
}

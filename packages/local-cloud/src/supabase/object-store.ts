import type { Readable } from 'node:stream';

export interface StoredObject {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly mimetype: string | null;
  readonly cacheControl: string | null;
  /** Over REST a value may be any JSON. */
  readonly userMetadata: Readonly<Record<string, unknown>>;
  /** Id of the user who wrote it; `null` for the service key and over S3. */
  readonly owner: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export interface BucketSettings {
  readonly public: boolean;
  /** Bytes; `null` leaves it to the project's limit. */
  readonly fileSizeLimit: number | null;
  readonly allowedMimeTypes: readonly string[] | null;
}
export interface Bucket extends BucketSettings {
  readonly id: string;
  readonly owner: string | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export interface NewObject {
  readonly mimetype: string | null;
  readonly cacheControl: string | null;
  readonly userMetadata: Readonly<Record<string, unknown>>;
  readonly owner?: string | null;
}
export const PRIVATE: BucketSettings = { public: false, fileSizeLimit: null, allowedMimeTypes: null };

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** What the S3 protocol needs below itself, with the rights of the server. */
export interface ObjectFiles {
  listBuckets(): Promise<Bucket[]>;
  bucket(id: string): Promise<Bucket | null>;
  /** `false` when there is one of that name. */
  createBucket(id: string, settings?: BucketSettings, owner?: string | null): Promise<boolean>;
  updateBucket(id: string, settings: BucketSettings): Promise<void>;
  /** `false` while objects remain. */
  deleteBucket(id: string): Promise<boolean>;
  find(bucket: string, name: string): Promise<StoredObject | null>;
  /** In byte order, after `after`. */
  list(bucket: string, options: { prefix: string; after: string; limit: number }): Promise<StoredObject[]>;
  /** `most` bytes at most: beyond them the body is let go and nothing is stored. Throws `StorageError`. */
  write(
    bucket: string,
    name: string,
    body: AsyncIterable<Buffer>,
    size: number | null,
    meta: NewObject,
    upsert: boolean,
    most?: number,
  ): Promise<StoredObject>;
  read(object: StoredObject, range: Range | null): Readable;
  /** Names that were there. */
  remove(bucket: string, names: readonly string[]): Promise<StoredObject[]>;
  beginMultipart(meta: NewObject): Promise<string>;
  hasMultipart(id: string): boolean;
  /** MD5 of the part, in hex, and its size. */
  writePart(id: string, part: number, body: AsyncIterable<Buffer>): Promise<{ etag: string; size: number }>;
  /** Joins parts that were written, in this order. */
  completeMultipart(
    bucket: string,
    name: string,
    id: string,
    parts: readonly { part: number; etag: string }[],
  ): Promise<StoredObject>;
  abortMultipart(id: string): Promise<void>;
}

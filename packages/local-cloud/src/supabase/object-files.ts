import type { Pool } from 'pg';
import { createObjectBlobs, etagOfParts, type StorageBackend } from './object-blobs.ts';
import { createObjectRows, type Blob, type ObjectRows } from './object-rows.ts';
import { PRIVATE, type Bucket, type NewObject, type ObjectFiles, type StoredObject } from './object-store.ts';
import { StorageError } from './storage-error.ts';

export type { Bucket, NewObject, ObjectFiles, StoredObject } from './object-store.ts';

/** A project's files: with the rights of the server as the S3 protocol uses them, and by row for callers over REST. */
export interface ProjectFiles extends ObjectFiles {
  readonly backend: StorageBackend;
  readonly rows: ObjectRows;
  /** Forgets the bytes of objects whose rows are gone. */
  discard(objects: readonly StoredObject[]): Promise<void>;
}

interface BucketRow {
  id: string;
  public: boolean;
  owner_id: string | null;
  file_size_limit: string | null;
  allowed_mime_types: string[] | null;
  created_at: Date;
  updated_at: Date;
}

/** The bytes as files, everything else as rows. */
export function createObjectFiles(folder: string, pool: Pool, backend: StorageBackend = 's3'): ProjectFiles {
  const blobs = createObjectBlobs(folder, backend);
  const rows = createObjectRows(pool);
  let buckets: Map<string, Bucket> | null = null;

  async function readBuckets(): Promise<Map<string, Bucket>> {
    if (buckets !== null) return buckets;
    const found = await pool.query<BucketRow>(
      'select id, public, owner_id, file_size_limit, allowed_mime_types, created_at, updated_at from storage.buckets order by id',
    );
    buckets = new Map(
      found.rows.map((row) => [
        row.id,
        {
          id: row.id,
          public: row.public,
          owner: row.owner_id,
          fileSizeLimit: row.file_size_limit === null ? null : Number(row.file_size_limit),
          allowedMimeTypes: row.allowed_mime_types,
          createdAt: row.created_at,
          updatedAt: row.updated_at,
        },
      ]),
    );
    return buckets;
  }

  async function publish(bucket: string, name: string, blob: Blob, meta: NewObject, upsert: boolean) {
    const { stored, replaced } = await rows.publish(bucket, name, blob, meta, upsert).catch(async (error: unknown) => {
      await blobs.remove(blob.version);
      throw error;
    });
    if (stored === null) {
      await blobs.remove(blob.version);
      throw new StorageError('KeyAlreadyExists');
    }
    if (replaced !== null) await blobs.remove(replaced);
    return stored;
  }

  const files: ProjectFiles = {
    backend,
    rows,
    listBuckets: async () => [...(await readBuckets()).values()],
    bucket: async (id) => (await readBuckets()).get(id) ?? null,
    async createBucket(id, settings = PRIVATE, owner = null) {
      const { rowCount } = await pool.query(
        `insert into storage.buckets (id, name, public, file_size_limit, allowed_mime_types, owner_id)
         values ($1, $1, $2, $3, $4, $5) on conflict do nothing`,
        [id, settings.public, settings.fileSizeLimit, settings.allowedMimeTypes, owner],
      );
      buckets = null;
      return rowCount === 1;
    },
    async updateBucket(id, settings) {
      await pool.query(
        'update storage.buckets set public = $2, file_size_limit = $3, allowed_mime_types = $4, updated_at = now() where id = $1',
        [id, settings.public, settings.fileSizeLimit, settings.allowedMimeTypes],
      );
      buckets = null;
    },
    async deleteBucket(id) {
      const { rowCount } = await pool.query('select 1 from storage.objects where bucket_id = $1 limit 1', [id]);
      if (rowCount !== 0) return false;
      await pool.query('delete from storage.buckets where id = $1', [id]);
      buckets = null;
      return true;
    },
    find: (bucket, name) => rows.find('server', bucket, name),
    list: (bucket, options) => rows.list('server', bucket, options),
    write: async (bucket, name, body, size, meta, upsert, most) =>
      publish(bucket, name, await blobs.write(body, size, most), meta, upsert),
    read: (object, range) => blobs.read(object.version, object.size, range),
    async remove(bucket, names) {
      const removed = await rows.remove('server', bucket, names);
      await files.discard(removed);
      return removed;
    },
    async beginMultipart(meta) {
      const id = await blobs.beginMultipart();
      uploads.set(id, meta);
      return id;
    },
    hasMultipart: (id) => uploads.has(id),
    writePart: (id, part, body) => blobs.writePart(id, part, body),
    async completeMultipart(bucket, name, id, parts) {
      const meta = uploads.get(id) ?? { mimetype: null, cacheControl: null, userMetadata: {} };
      const joined = blobs.readParts(
        id,
        parts.map(({ part }) => part),
      );
      const blob = await blobs.write(joined, null);
      // Files are joined and hashed as one; S3 never sees the whole.
      const etag = backend === 's3' ? etagOfParts(parts.map((one) => Buffer.from(one.etag, 'hex'))) : blob.etag;
      const stored = await publish(bucket, name, { ...blob, etag }, meta, true);
      await files.abortMultipart(id);
      return stored;
    },
    async abortMultipart(id) {
      uploads.delete(id);
      await blobs.removeMultipart(id);
    },
    async discard(objects) {
      for (const { version } of objects) await blobs.remove(version);
    },
  };
  return files;
}

/** Multipart uploads begun and not ended; they do not outlive the process, as the vendor may drop them too. */
const uploads = new Map<string, NewObject>();

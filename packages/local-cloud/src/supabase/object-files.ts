import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Pool } from 'pg';

/** Above this size the hosted service stores in parts, and the ETag is of the parts. */
const PART_BYTES = 16 * 1024 * 1024;

export interface StoredObject {
  readonly name: string;
  readonly version: string;
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly mimetype: string | null;
  readonly cacheControl: string | null;
  readonly userMetadata: Readonly<Record<string, string>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export interface Bucket {
  readonly id: string;
  readonly public: boolean;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}
export interface NewObject {
  readonly mimetype: string | null;
  readonly cacheControl: string | null;
  readonly userMetadata: Readonly<Record<string, string>>;
}

export class ObjectExists extends Error {}

interface Row {
  name: string;
  version: string;
  size: string;
  etag: string;
  mimetype: string | null;
  cache_control: string | null;
  user_metadata: Record<string, string>;
  created_at: Date;
  updated_at: Date;
}
const COLUMNS = 'name, version, size, etag, mimetype, cache_control, user_metadata, created_at, updated_at';
const toObject = (row: Row): StoredObject => ({
  name: row.name,
  version: row.version,
  size: Number(row.size),
  etag: row.etag,
  mimetype: row.mimetype,
  cacheControl: row.cache_control,
  userMetadata: row.user_metadata,
  createdAt: row.created_at,
  updatedAt: row.updated_at,
});

/** MD5 of the whole up to 16 MiB, `MD5(part MD5s)-N` above, as the hosted service was measured. */
function createEtag(): { add(chunk: Buffer): void; size(): number; etag(): string } {
  const whole = createHash('md5');
  let part = createHash('md5');
  const parts: Buffer[] = [];
  let size = 0;
  let inPart = 0;
  return {
    add(chunk) {
      whole.update(chunk);
      for (let offset = 0; offset < chunk.byteLength;) {
        const taken = Math.min(PART_BYTES - inPart, chunk.byteLength - offset);
        part.update(chunk.subarray(offset, offset + taken));
        inPart += taken;
        offset += taken;
        if (inPart === PART_BYTES) {
          parts.push(part.digest());
          part = createHash('md5');
          inPart = 0;
        }
      }
      size += chunk.byteLength;
    },
    size: () => size,
    etag() {
      if (size <= PART_BYTES) return whole.digest('hex');
      if (inPart > 0) parts.push(part.digest());
      return `${createHash('md5').update(Buffer.concat(parts)).digest('hex')}-${parts.length}`;
    },
  };
}

/** The bytes as files, everything else as rows; bodies are streamed both ways. */
export function createObjectFiles(folder: string, pool: Pool) {
  const blobs = join(folder, 'blobs');
  const multipart = join(folder, 'multipart');
  const pathOf = (version: string): string => join(blobs, version.slice(0, 2), version);
  let buckets: Map<string, Bucket> | null = null;

  async function readBuckets(): Promise<Map<string, Bucket>> {
    if (buckets !== null) return buckets;
    const { rows } = await pool.query<{ id: string; public: boolean; created_at: Date; updated_at: Date }>(
      'select id, public, created_at, updated_at from storage.buckets order by id',
    );
    buckets = new Map(
      rows.map((row) => [
        row.id,
        { id: row.id, public: row.public, createdAt: row.created_at, updatedAt: row.updated_at },
      ]),
    );
    return buckets;
  }

  /** Writes the body to a file of its own; nothing is visible before it is whole. */
  async function writeBlob(
    body: AsyncIterable<Buffer>,
    expectedSize: number | null,
  ): Promise<{ version: string; size: number; etag: string }> {
    const version = randomUUID();
    const target = pathOf(version);
    await mkdir(join(blobs, version.slice(0, 2)), { recursive: true });
    const etag = createEtag();
    try {
      await pipeline(async function* () {
        for await (const chunk of body) {
          etag.add(chunk);
          yield chunk;
        }
      }, createWriteStream(target));
      if (expectedSize !== null && etag.size() !== expectedSize)
        throw new Error(`the body ended after ${etag.size()} of ${expectedSize} bytes`);
    } catch (error) {
      await rm(target, { force: true });
      throw error;
    }
    return { version, size: etag.size(), etag: etag.etag() };
  }

  /** Makes a written blob the object of this name; the one before is removed. */
  async function publish(
    bucket: string,
    name: string,
    blob: { version: string; size: number; etag: string },
    meta: NewObject,
    upsert: boolean,
  ): Promise<StoredObject> {
    const values = [
      bucket,
      name,
      blob.version,
      blob.size,
      blob.etag,
      meta.mimetype,
      meta.cacheControl,
      JSON.stringify(meta.userMetadata),
    ];
    const { rows: before } = await pool.query<{ version: string }>(
      'select version from storage.objects where bucket_id = $1 and name = $2',
      [bucket, name],
    );
    const { rows } = await pool.query<Row>(
      `insert into storage.objects (bucket_id, name, version, size, etag, mimetype, cache_control, user_metadata)
       values ($1,$2,$3,$4,$5,$6,$7,$8) on conflict (bucket_id, name) ${
         upsert
           ? `do update set version = excluded.version, size = excluded.size, etag = excluded.etag, mimetype = excluded.mimetype,
              cache_control = excluded.cache_control, user_metadata = excluded.user_metadata, updated_at = now()`
           : 'do nothing'
       } returning ${COLUMNS}`,
      values,
    );
    const row = rows[0];
    if (row === undefined) {
      await rm(pathOf(blob.version), { force: true });
      throw new ObjectExists(name);
    }
    for (const { version } of before) await rm(pathOf(version), { force: true });
    return toObject(row);
  }

  return {
    listBuckets: async (): Promise<Bucket[]> => [...(await readBuckets()).values()],
    bucket: async (id: string): Promise<Bucket | null> => (await readBuckets()).get(id) ?? null,
    async createBucket(id: string, isPublic: boolean): Promise<boolean> {
      const { rowCount } = await pool.query(
        'insert into storage.buckets (id, name, public) values ($1, $1, $2) on conflict do nothing',
        [id, isPublic],
      );
      buckets = null;
      return rowCount === 1;
    },
    async updateBucket(id: string, isPublic: boolean): Promise<void> {
      await pool.query('update storage.buckets set public = $2, updated_at = now() where id = $1', [id, isPublic]);
      buckets = null;
    },
    /** `false` while objects remain. */
    async deleteBucket(id: string): Promise<boolean> {
      const { rowCount } = await pool.query('select 1 from storage.objects where bucket_id = $1 limit 1', [id]);
      if (rowCount !== 0) return false;
      await pool.query('delete from storage.buckets where id = $1', [id]);
      buckets = null;
      return true;
    },
    async find(bucket: string, name: string): Promise<StoredObject | null> {
      const { rows } = await pool.query<Row>(
        `select ${COLUMNS} from storage.objects where bucket_id = $1 and name = $2`,
        [bucket, name],
      );
      return rows[0] === undefined ? null : toObject(rows[0]);
    },
    /** In byte order, after `after`. */
    async list(bucket: string, options: { prefix: string; after: string; limit: number }): Promise<StoredObject[]> {
      const { rows } = await pool.query<Row>(
        `select ${COLUMNS} from storage.objects where bucket_id = $1 and starts_with(name, $2) and name > $3 order by name limit $4`,
        [bucket, options.prefix, options.after, options.limit],
      );
      return rows.map(toObject);
    },
    async write(
      bucket: string,
      name: string,
      body: AsyncIterable<Buffer>,
      size: number | null,
      meta: NewObject,
      upsert: boolean,
    ): Promise<StoredObject> {
      return publish(bucket, name, await writeBlob(body, size), meta, upsert);
    },
    read(object: StoredObject, range: { start: number; end: number } | null): Readable {
      if (object.size === 0) return Readable.from([]);
      return createReadStream(pathOf(object.version), range === null ? {} : { start: range.start, end: range.end });
    },
    /** Names that were there. */
    async remove(bucket: string, names: readonly string[]): Promise<StoredObject[]> {
      const { rows } = await pool.query<Row>(
        `delete from storage.objects where bucket_id = $1 and name = any($2) returning ${COLUMNS}`,
        [bucket, names],
      );
      for (const row of rows) await rm(pathOf(row.version), { force: true });
      return rows.map(toObject);
    },
    async beginMultipart(meta: NewObject): Promise<string> {
      const id = randomUUID();
      await mkdir(join(multipart, id), { recursive: true });
      uploads.set(id, meta);
      return id;
    },
    hasMultipart: (id: string): boolean => uploads.has(id),
    async writePart(id: string, part: number, body: AsyncIterable<Buffer>): Promise<string> {
      const md5 = createHash('md5');
      const target = join(multipart, id, String(part));
      await pipeline(
        async function* () {
          for await (const chunk of body) {
            md5.update(chunk);
            yield chunk;
          }
        },
        createWriteStream(`${target}.new`),
      );
      await rename(`${target}.new`, target);
      const etag = md5.digest('hex');
      partEtags.set(`${id}/${part}`, etag);
      return etag;
    },
    /** `null` when a named part is missing or is another one. */
    async completeMultipart(
      bucket: string,
      name: string,
      id: string,
      parts: readonly { part: number; etag: string }[],
    ): Promise<StoredObject | null> {
      if (parts.length === 0 || parts.some(({ part, etag }) => partEtags.get(`${id}/${part}`) !== etag)) return null;
      const joined = async function* (): AsyncGenerator<Buffer> {
        for (const { part } of parts)
          yield* createReadStream(join(multipart, id, String(part))) as AsyncIterable<Buffer>;
      };
      const blob = await writeBlob(joined(), null);
      const etag = `${createHash('md5')
        .update(Buffer.concat(parts.map((one) => Buffer.from(one.etag, 'hex'))))
        .digest('hex')}-${parts.length}`;
      const stored = await publish(
        bucket,
        name,
        { ...blob, etag },
        uploads.get(id) ?? { mimetype: null, cacheControl: null, userMetadata: {} },
        true,
      );
      await this.abortMultipart(id);
      return stored;
    },
    async abortMultipart(id: string): Promise<void> {
      uploads.delete(id);
      for (const key of partEtags.keys()) if (key.startsWith(`${id}/`)) partEtags.delete(key);
      await rm(join(multipart, id), { recursive: true, force: true });
    },
    /** Blobs on disk, for a test that none is left over. */
    async blobCount(): Promise<number> {
      const entries =
        (await stat(blobs).catch(() => null)) === null
          ? []
          : await readdir(blobs, { recursive: true, withFileTypes: true });
      return entries.filter((entry) => entry.isFile()).length;
    },
  };
}

/** Multipart uploads begun and not ended; they do not outlive the process, as the vendor may drop them too. */
const uploads = new Map<string, NewObject>();
const partEtags = new Map<string, string>();

export type ObjectFiles = ReturnType<typeof createObjectFiles>;

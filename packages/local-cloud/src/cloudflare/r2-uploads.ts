import { createHash, createHmac } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import * as v from 'valibot';

const NAMESPACE = 'miniflare-R2BucketObject';
/** Patience with a database that the simulator is just closing. */
const BUSY_MS = 5000;
/** The end of a blob's name is the time when it was begun, epoch ms in hex. */
const TIME_DIGITS = 16;

const uploadRows = v.array(v.object({ id: v.string(), key: v.string(), firstBlob: v.nullable(v.string()) }));
const partRows = v.array(
  v.object({ number: v.number(), size: v.number(), name: v.string(), md5: v.string(), blob: v.string() }),
);

export interface R2Upload {
  readonly id: string;
  readonly key: string;
  /** When the first of its parts arrived; `null` without parts, because the simulator notes no beginning. */
  readonly firstPartAt: Date | null;
}

export interface R2Part {
  readonly number: number;
  /** Bytes. */
  readonly size: number;
  /** What the simulator takes for the part's ETag: anything but an MD5. */
  readonly name: string;
  /** Of its bytes, hex: what R2 takes for the part's ETag. */
  readonly md5: string;
  readonly storedAt: Date;
}

export interface R2Uploads {
  /** By key and then by beginning, from behind a key on, or from behind one of a key's uploads. */
  unfinished(bucket: string, after: { readonly key: string; readonly id: string }): readonly R2Upload[];
  isUnfinished(bucket: string, key: string, id: string): boolean;
  /** At most so many, in order, behind a number; also of what is not to be had any more. */
  parts(bucket: string, id: string, after: number, most: number): readonly R2Part[];
}

/**
 * Multipart uploads as the simulator has them in its own tables, which it writes whoever began them: S3, a presigned
 * link or a Worker's binding. So they are right after a restart as well. The tables and the files' names are the
 * pinned Miniflare's; r2-multipart.test.ts holds it to them.
 */
export function readR2Uploads(folder: string): R2Uploads {
  const ask = <Rows extends v.GenericSchema>(
    rows: Rows,
    bucket: string,
    sql: string,
    values: Record<string, SQLInputValue>,
  ): v.InferOutput<Rows> => {
    const file = join(folder, 'storage', 'r2', NAMESPACE, `${objectIdOf(bucket)}.sqlite`);
    // Made when the bucket is asked for something the first time.
    if (!existsSync(file)) return v.parse(rows, []);
    const database = new DatabaseSync(file, { readOnly: true, timeout: BUSY_MS });
    try {
      return v.parse(rows, database.prepare(sql).all(values));
    } finally {
      database.close();
    }
  };
  return {
    unfinished: (bucket, after) =>
      ask(
        uploadRows,
        bucket,
        // Rows stay when an upload is over: a marker finds its place even then. State 0 is what goes on.
        `select upload_id as id, key, (
           select blob_id from _mf_multipart_parts p where p.upload_id = u.upload_id order by substr(blob_id, -${TIME_DIGITS}) limit 1
         ) as firstBlob
         from _mf_multipart_uploads u
         where state = 0 and (
           key > :key or (key = :key and rowid > (select rowid from _mf_multipart_uploads where upload_id = :id))
         )
         order by key, rowid`,
        { key: after.key, id: after.id },
      ).map(({ id, key, firstBlob }) => ({ id, key, firstPartAt: firstBlob === null ? null : timeOf(firstBlob) })),
    isUnfinished: (bucket, key, id) =>
      ask(
        uploadRows,
        bucket,
        'select upload_id as id, key, null as firstBlob from _mf_multipart_uploads where upload_id = :id and key = :key and state = 0',
        { id, key },
      ).length > 0,
    parts: (bucket, id, after, most) =>
      ask(
        partRows,
        bucket,
        `select part_number as number, size, etag as name, checksum_md5 as md5, blob_id as blob
         from _mf_multipart_parts where upload_id = :id and part_number > :after order by part_number limit :most`,
        { id, after, most },
      ).map(({ blob, ...part }) => ({ ...part, storedAt: timeOf(blob) })),
  };
}

/** The name of the Durable Object, and of its file, that holds a bucket: how workerd makes an id of a name. */
function objectIdOf(bucket: string): string {
  const key = createHash('sha256').update(NAMESPACE).digest();
  const half = (of: string | Buffer): Buffer => createHmac('sha256', key).update(of).digest().subarray(0, 16);
  const name = half(bucket);
  return Buffer.concat([name, half(name)]).toString('hex');
}

function timeOf(blob: string): Date {
  return new Date(Number.parseInt(blob.slice(-TIME_DIGITS), 16));
}

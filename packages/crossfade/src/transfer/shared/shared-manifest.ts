import { createHash } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { gunzip, gzip } from 'node:zlib';
import { promisify } from 'node:util';
import type { Pool } from 'pg';
import { manifestLine, unprovenLine, type UnprovenObject, type WrittenManifest } from '../manifest.ts';
import type { VerifiedObject } from '../verify.ts';
import type { TaskId } from './transfers.ts';

const zip = promisify(gzip);
const unzip = promisify(gunzip);
/** Text of one chunk before it is packed, bytes. */
const CHUNK_BYTES = 1024 * 1024;
/** In a key these quotes would be escaped. */
const PROVEN = /"verifiedBy":"[^"]*"}$/;

export interface ManifestPart {
  /** Adds one row; waits while a full chunk is written. May be called by many at once. */
  write(object: VerifiedObject): Promise<void>;
  /** The same for a listed object that is not proven. */
  note(object: UnprovenObject): Promise<void>;
  /** Resolves when everything is in the database. */
  close(): Promise<void>;
}

/**
 * Keeps a partition's part of the manifest in the database, packed, a chunk at a time: workers share no folder, and
 * whoever asked for the transfer writes the file. An earlier part of the same turn is replaced.
 */
export function openManifestPart(pool: Pool, { transfer, number, generation }: TaskId): ManifestPart {
  let lines: string[] = [];
  let size = 0;
  let chunk = 0;
  // In turn: the first write removes what an earlier round left.
  let last: Promise<unknown> = pool.query(
    'delete from crossfade.transfer_manifests where transfer = $1 and number = $2 and generation = $3',
    [transfer, number, generation],
  );
  // Whoever writes or closes gets the error; until then nobody listens.
  last.catch(() => {});

  function flush(): Promise<unknown> {
    if (lines.length === 0) return last;
    const text = lines.join('');
    const index = chunk++;
    lines = [];
    size = 0;
    last = last.then(async () =>
      pool.query(
        'insert into crossfade.transfer_manifests (transfer, number, generation, chunk, lines) values ($1,$2,$3,$4,$5)',
        [transfer, number, generation, index, await zip(text)],
      ),
    );
    last.catch(() => {});
    return last;
  }

  async function add(line: string): Promise<void> {
    lines.push(line);
    size += line.length;
    if (size >= CHUNK_BYTES) await flush();
  }

  return {
    write: (object) => add(manifestLine(object)),
    note: (object) => add(unprovenLine(object)),
    async close() {
      await flush();
    },
  };
}

/** Writes the manifest of a whole transfer, partition by partition and a chunk at a time, and puts it in its place. */
export async function writeManifest(pool: Pool, transfer: string, file: string): Promise<WrittenManifest> {
  const { rows } = await pool.query<{ number: number; generation: number; chunk: number }>(
    `select m.number, m.generation, m.chunk from crossfade.transfer_manifests m
     join crossfade.transfer_partitions p using (transfer, number, generation)
     where transfer = $1 and p.result is not null order by p.after_key nulls first, m.chunk`,
    [transfer],
  );
  const handle = await open(`${file}.part`, 'w');
  const hash = createHash('sha256');
  let [proven, all] = [0, 0];
  try {
    for (const { number, generation, chunk } of rows) {
      const found = await pool.query<{ lines: Buffer }>(
        'select lines from crossfade.transfer_manifests where transfer = $1 and number = $2 and generation = $3 and chunk = $4',
        [transfer, number, generation, chunk],
      );
      for (const { lines } of found.rows) {
        const text = await unzip(lines);
        await handle.appendFile(text);
        hash.update(text);
        for (const line of text.toString().split('\n')) {
          if (line === '') continue;
          all++;
          if (PROVEN.test(line)) proven++;
        }
      }
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${file}.part`, file);
  return { file, rows: proven, unproven: all - proven, sha256: hash.digest('hex') };
}

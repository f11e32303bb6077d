import type { Pool } from 'pg';

export interface WorkerProgress {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Since it joined. */
  readonly objects: number;
  readonly bytes: number;
  /** Over the last seconds. */
  readonly objectsPerSecond: number;
  readonly bytesPerSecond: number;
}

export interface SharedProgress {
  /** Of one transfer, or of all that are under way. */
  readonly partitions: number;
  readonly done: number;
  readonly failed: number;
  /** Copied, by whomever. */
  readonly objects: number;
  readonly bytes: number;
  /** Whether the keys are not cut yet. */
  readonly planning: boolean;
  /** Those that are alive. */
  readonly workers: readonly WorkerProgress[];
}

/** A worker that was not seen for so long is dead to the others, ms; one that was killed is noticed at once. */
export const LEASE_MS = 30_000;

/** How far one transfer is, or all that are under way together. */
export async function readProgress(pool: Pool, transfer: string | null): Promise<SharedProgress> {
  const [counts, workers] = await Promise.all([
    pool.query<Record<'partitions' | 'done' | 'failed' | 'objects' | 'bytes', string> & { planning: boolean }>(
      `select count(p.number) as partitions, count(*) filter (where p.state = 'done') as done,
         count(*) filter (where p.state = 'failed') as failed, coalesce(sum(p.objects), 0) as objects,
         coalesce(sum(p.bytes), 0) as bytes, coalesce(bool_or(t.planned_at is null), false) as planning
       from crossfade.transfers t left join crossfade.transfer_partitions p on p.transfer = t.id
       where case when $1::text is null then t.ended_at is null else t.id = $1 end`,
      [transfer],
    ),
    pool.query<{
      id: string;
      host: string;
      pid: number;
      objects: string;
      bytes: string;
      objects_per_second: number;
      bytes_per_second: number;
    }>(
      `select id, host, pid, objects, bytes, objects_per_second, bytes_per_second from crossfade.transfer_workers
       where gone_at is null and seen_at > clock_timestamp() - $1 * interval '1 ms' order by joined_at`,
      [LEASE_MS],
    ),
  ]);
  const row = counts.rows[0];
  if (row === undefined) throw new Error('the database did not count the partitions');
  return {
    partitions: Number(row.partitions),
    done: Number(row.done),
    failed: Number(row.failed),
    objects: Number(row.objects),
    bytes: Number(row.bytes),
    planning: row.planning,
    workers: workers.rows.map((one) => ({
      id: one.id,
      host: one.host,
      pid: one.pid,
      objects: Number(one.objects),
      bytes: Number(one.bytes),
      objectsPerSecond: one.objects_per_second,
      bytesPerSecond: one.bytes_per_second,
    })),
  };
}

/** A rate is told over so much of the past, ms. */
const WINDOW_MS = 5000;

export interface Throughput {
  readonly objects: number;
  readonly bytes: number;
  readonly objectsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** Counts what one process moves, and how fast it has been of late. */
export function createThroughput(): { moved(objects: number, bytes: number): void; read(): Throughput } {
  let [objects, bytes] = [0, 0];
  let samples: { at: number; objects: number; bytes: number }[] = [{ at: performance.now(), objects: 0, bytes: 0 }];
  return {
    moved(more, moreBytes) {
      objects += more;
      bytes += moreBytes;
    },
    read() {
      const at = performance.now();
      const kept = samples.filter((one) => at - one.at <= WINDOW_MS);
      samples = [...(kept.length > 0 ? kept : samples.slice(-1)), { at, objects, bytes }];
      const first = samples[0];
      const seconds = first === undefined ? 0 : (at - first.at) / 1000;
      const rate = (now: number, then: number): number => (seconds === 0 ? 0 : Math.max(0, (now - then) / seconds));
      return {
        objects,
        bytes,
        objectsPerSecond: rate(objects, first?.objects ?? 0),
        bytesPerSecond: rate(bytes, first?.bytes ?? 0),
      };
    },
  };
}

import { randomUUID } from 'node:crypto';
import { copyObject, exists, keysOf, type S3Bucket } from './s3-client.ts';

const AT_ONCE = 4;

/** A job: running ⇄ paused, then aborted or completed; the last two are its end. */
export interface SlurperJob {
  readonly id: string;
  readonly createdAt: string;
  finishedAt: string | null;
  readonly overwrite: boolean;
  readonly source: S3Bucket & { readonly pathPrefix: string | null };
  readonly target: S3Bucket;
  status: 'running' | 'paused' | 'aborted' | 'completed';
  objects: number;
  transferred: number;
  skipped: number;
  failed: number;
}

export interface SlurperJobs {
  readonly all: readonly SlurperJob[];
  start(job: Pick<SlurperJob, 'source' | 'target' | 'overwrite'>): SlurperJob;
  /** Objects in the middle of a transfer finish; no new one starts. A job that is over stays as it is. */
  setStatus(job: SlurperJob, status: 'running' | 'paused' | 'aborted'): void;
  /** Ends all of them, and waits for what is under way. */
  close(): Promise<void>;
}

/** Super Slurper's jobs: they copy in the background, between real stores. Kept in memory, as long as the world runs. */
export function createSlurperJobs(): SlurperJobs {
  const all: SlurperJob[] = [];
  const running = new Set<Promise<void>>();
  const woken = new Map<string, () => void>();
  const isOver = (job: SlurperJob): boolean => job.status === 'aborted' || job.status === 'completed';

  async function carry(job: SlurperJob, key: string): Promise<void> {
    try {
      if (!job.overwrite && (await exists(job.target, key))) job.skipped++;
      else {
        await copyObject(job.source, job.target, key);
        job.transferred++;
      }
    } catch {
      // Counted: whoever watches the job sees it, as at the vendor.
      job.failed++;
    }
  }

  async function work(job: SlurperJob): Promise<void> {
    const underWay = new Set<Promise<void>>();
    try {
      for await (const key of keysOf(job.source, job.source.pathPrefix ?? '')) {
        while (job.status === 'paused') await new Promise<void>((resolve) => woken.set(job.id, resolve));
        if (isOver(job)) break;
        job.objects++;
        const one = carry(job, key);
        underWay.add(one);
        void one.then(() => underWay.delete(one));
        if (underWay.size >= AT_ONCE) await Promise.race(underWay);
      }
      await Promise.all(underWay);
      if (!isOver(job)) job.status = 'completed';
    } catch (error) {
      console.error(`super slurper: ${error instanceof Error ? error.message : String(error)}`);
      job.status = 'aborted';
    }
    job.finishedAt = new Date().toISOString();
  }

  return {
    all,
    start({ source, target, overwrite }) {
      const job: SlurperJob = {
        id: randomUUID().replaceAll('-', ''),
        createdAt: new Date().toISOString(),
        finishedAt: null,
        overwrite,
        source,
        target,
        status: 'running',
        objects: 0,
        transferred: 0,
        skipped: 0,
        failed: 0,
      };
      all.unshift(job);
      const copying = work(job);
      running.add(copying);
      void copying.then(() => running.delete(copying));
      return job;
    },
    setStatus(job, status) {
      if (isOver(job)) return;
      job.status = status;
      woken.get(job.id)?.();
    },
    async close() {
      for (const job of all) this.setStatus(job, 'aborted');
      await Promise.all(running);
    },
  };
}

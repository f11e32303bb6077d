import { openMediaClient, type MediaClient } from '../checks/worker/media-client.ts';
import { toneWav } from '../checks/worker/tone-wav.ts';
import { edgeAddress } from '../phases/environment/deployment.ts';
import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Sentinel, Trouble } from '../rollout/plan.ts';
import { deliverAlert } from './alert.ts';
import { judgeWindow, type Sample } from './trouble.ts';

const SAMPLE_EVERY_MS = 500;
/** Canary reads a second: the fixed denominator where real traffic is thin. */
const PROBES_PER_SECOND = 5;

/**
 * Watches production from the first deployment to the end of the watch, from two sides: what the edge counted
 * (the vendor's analytics) and what a canary outside gets by signed URL. The first that is in trouble ends it.
 */
export function createSentinel(): Sentinel {
  let resolveTrouble: (trouble: Trouble) => void = () => {};
  const trouble = new Promise<Trouble>((resolve) => {
    resolveTrouble = resolve;
  });
  const over = new AbortController();
  let running: Promise<void> | null = null;

  async function watch(context: RolloutContext): Promise<void> {
    const { windowMs, silenceMs } = context.config.trouble;
    const keepMs = Math.max(windowMs, silenceMs) * 2;
    const host = new URL(context.config.environments.production.worker.mediaOrigin).hostname;
    const samples: Sample[] = [];
    const canary = startCanary(context, over.signal);
    try {
      for (;;) {
        const now = Date.now();
        const statuses = await context.providers.cloudflare.httpStatuses(host, now - windowMs, now).catch(() => null);
        samples.push({
          at: now,
          edge: statuses === null ? null : count(statuses),
          canary: canary.window(now - windowMs),
        });
        while (samples.length > 0 && (samples[0]?.at ?? now) < now - keepMs) samples.shift();
        const found = judgeWindow(samples, context.config.trouble);
        if (found !== null) {
          // First of all: the rollback does not wait for anybody to be told of it.
          resolveTrouble(found);
          await deliverAlert(context, found);
          return;
        }
        if (over.signal.aborted) return;
        await new Promise((resolve) => setTimeout(resolve, SAMPLE_EVERY_MS));
      }
    } finally {
      await canary.stop();
    }
  }

  return {
    trouble,
    start(context) {
      // A watch that cannot watch is trouble itself: nobody would see production fail.
      running ??= watch(context).catch((error: unknown) => {
        if (over.signal.aborted) return;
        const at = new Date().toISOString();
        resolveTrouble({
          measure: `the sentinel could not watch: ${errorText(error)}`,
          measured: null,
          expected: 'samples',
          since: at,
        });
      });
    },
    async stop() {
      over.abort();
      await running;
    },
  };
}

function count(statuses: readonly { status: number; requests: number }[]): { requests: number; failed: number } {
  return {
    requests: statuses.reduce((sum, one) => sum + one.requests, 0),
    failed: statuses.filter((one) => one.status >= 500).reduce((sum, one) => sum + one.requests, 0),
  };
}

interface Canary {
  /** Reads that ended since then; failed ones with the time of the first. */
  window(since: number): { requests: number; failed: number; firstFailedAt: number | null };
  stop(): Promise<void>;
}

/** Reads one own object by freshly signed URLs, at a fixed rate, at the edge itself: DNS has its own checks. */
function startCanary(context: RolloutContext, signal: AbortSignal): Canary {
  const results: { at: number; ok: boolean }[] = [];
  const inFlight = new Set<Promise<void>>();
  let opened: { client: MediaClient; key: string } | null = null;

  const open = async (): Promise<{ client: MediaClient; key: string }> => {
    const client = await openMediaClient(context, 'production', { reach: { via: edgeAddress(context) } });
    return { client, key: await client.upload('sentinel.wav', 'audio/wav', toneWav(0.5, 550)) };
  };
  const read = async (): Promise<void> => {
    const at = Date.now();
    try {
      opened ??= await open();
      const { url } = await opened.client.signFile(opened.key);
      const response = await opened.client.follow(url, { headers: { range: 'bytes=0-4095' } });
      results.push({ at, ok: response.status === 206 && response.body.byteLength === 4096 });
    } catch {
      // Whatever kept the canary from its bytes would keep a listener from theirs: it counts as failed.
      results.push({ at, ok: false });
    }
    if (results.length > 2000) results.splice(0, 1000);
  };
  const timer = setInterval(() => {
    const one = read().finally(() => inFlight.delete(one));
    inFlight.add(one);
  }, 1000 / PROBES_PER_SECOND);
  signal.addEventListener('abort', () => clearInterval(timer));
  return {
    window(since) {
      const recent = results.filter((result) => result.at >= since);
      const failed = recent.filter((result) => !result.ok);
      return { requests: recent.length, failed: failed.length, firstFailedAt: failed[0]?.at ?? null };
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(inFlight);
      if (opened !== null) await opened.client.remove(opened.key).catch(() => null);
    },
  };
}

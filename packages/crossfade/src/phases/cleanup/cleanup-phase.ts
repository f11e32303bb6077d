import { edgeAddress, askHealth, ensureDeployed, servingSplit } from '../environment/deployment.ts';
import { ensureVersion } from '../environment/worker-upload.ts';
import type { DeploymentSplit } from '../../providers/providers.ts';
import type { Check, Phase, Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { watchedTime } from '../watch/watched-time.ts';
import { legacyQuietCheck } from './legacy-quiet-check.ts';
import { endFileUrlsStep, oldColumnQuietCheck } from './contract-step.ts';
import { verifyInR2 } from '../transfer-pass.ts';

/** During the watch the Worker never had to fetch from legacy what R2 lacked: it counts each time itself. */
function nothingReadThroughCheck(): Check {
  return {
    id: 'cleanup.nothingReadThrough',
    title: 'Nothing was read through to legacy during the watch',
    proves: [],
    async run(context) {
      const watched = watchedTime(await context.history());
      if (watched === null) return verdict(false, { summary: 'the watch was not kept', measured: null, expected: 0 });
      const { telemetryDataset } = context.config.environments.production.worker;
      const since = Math.floor(watched.since / 1000);
      const counted = async (kind: string): Promise<number> => {
        const sql = `SELECT SUM(double2) AS n FROM ${telemetryDataset} WHERE blob1 = '${kind}' AND timestamp >= toDateTime(${since}) FORMAT JSON`;
        return Number((await context.providers.cloudflare.telemetry(sql))[0]?.['n'] ?? 0);
      };
      const [readThrough, requests] = [await counted('read-through'), await counted('request')];
      // Telemetry that is silent proves nothing.
      return verdict(readThrough === 0 && requests > 0, {
        summary: `${readThrough} read through among some ${requests} requests that the Worker counted`,
        measured: { readThrough, requests },
        expected: { readThrough: 0, requests: '> 0' },
        mend: 'crossfade rollback data, then: crossfade watch',
      });
    },
  };
}

/** Every object of the legacy bucket lies in R2, verified once more, before access to it ends. */
function copyCompleteCheck(): Check {
  return {
    id: 'cleanup.copyComplete',
    title: 'Every legacy object is verified in R2',
    proves: [],
    async run(context) {
      const result = await verifyInR2(context, 'before clean-up');
      return verdict(result.objects > 0 && result.missing === 0 && result.mismatched === 0, {
        summary: `${result.verified} of ${result.objects} verified`,
        measured: { ...result },
        expected: { missing: 0, mismatched: 0 },
        mend: 'crossfade rollback data, then: crossfade cleanup',
      });
    },
  };
}

/** The Worker forgets the legacy store: a version that holds neither its address nor its key serves. */
function endReadThroughStep(): Step<{ split: DeploymentSplit[] | null }> {
  return {
    id: 'cleanup.endReadThrough',
    title: 'Worker without the legacy store deployed',
    proves: [],
    look: async (context) => ({ split: await servingSplit(context, 'production') }),
    async run(context) {
      const { version } = await ensureVersion(context, 'production', 'final');
      const deployed = await ensureDeployed(
        context,
        'production',
        [{ versionId: version.id, percentage: 100 }],
        'legacy forgotten',
      );
      return { versionId: version.id, deployed };
    },
    async verify(context) {
      const { version } = await ensureVersion(context, 'production', 'final');
      const health = await askHealth(context, 'production', { via: edgeAddress(context) });
      return verdict(health.version.id === version.id && health.status === 'ok', {
        summary: `production answers with version ${health.version.id}, ${health.status}`,
        measured: { version: health.version.id, status: health.status },
        expected: { version: version.id, status: 'ok' },
      });
    },
    async compensate(context, before) {
      if (before.split === null) return { already: true };
      return { redeployed: await ensureDeployed(context, 'production', before.split, 'legacy read through again') };
    },
  };
}

/**
 * The legacy bucket is closed to the public, not deleted: deleting comes after a soak, by its own command and
 * gate. Closing it is undone by one call.
 */
function quarantineStep(): Step<{ public: boolean }> {
  return {
    id: 'cleanup.quarantine',
    title: 'Legacy bucket quarantined (private)',
    proves: [],
    async look({ config, providers }) {
      const { bucket: id } = config.environments.production.supabase;
      const bucket = await providers.supabase.production.getBucket(id);
      if (bucket === null) throw new Error(`the legacy bucket ${id} does not exist`);
      return { public: bucket.public };
    },
    async run({ config, providers }, before) {
      if (!before.public) return { already: true };
      await providers.supabase.production.setBucketPublic(config.environments.production.supabase.bucket, false);
      return { already: false };
    },
    async verify({ config, providers }) {
      const { supabase } = config.environments.production;
      let key: string | null = null;
      for await (const object of providers.legacyStore.list()) {
        key = object.key;
        break;
      }
      const url = `${supabase.url}/storage/v1/object/public/${supabase.bucket}/${encodeURI(key ?? 'nothing')}`;
      const response = await providers.http.request(url);
      // A private bucket asked through its public URL answers HTTP 400 (Supabase Storage, measured).
      return verdict(key !== null && response.status === 400, {
        summary: `the public URL of ${key ?? 'no object'} answers ${response.status}`,
        measured: response.status,
        expected: 400,
      });
    },
    async compensate({ config, providers }, before) {
      await providers.supabase.production.setBucketPublic(
        config.environments.production.supabase.bucket,
        before.public,
      );
      return { public: before.public };
    },
  };
}

/** What is left of the old system is taken out of use: proof first, and nothing that one call does not bring back. */
export function cleanupPhase(options: { deadlineMs: number }): Phase {
  return {
    id: 'cleanup',
    title: 'Clean-up',
    plannedMs: 7 * 24 * 3600_000,
    deadlineMs: options.deadlineMs,
    gate: [legacyQuietCheck(), nothingReadThroughCheck(), oldColumnQuietCheck(), copyCompleteCheck()],
    rollback: null,
    parts: [
      { kind: 'step', step: endReadThroughStep() },
      { kind: 'step', step: endFileUrlsStep() },
      { kind: 'step', step: quarantineStep() },
    ],
  };
}

import * as v from 'valibot';
import type { RolloutConfig } from '../../rollout/config.ts';
import { ProviderError } from '../provider-error.ts';
import type { CloudflareProvider, DnsRecord, WorkerUpload, WorkerVersion } from '../providers.ts';
import { retrying } from '../retry.ts';
import { createAnalytics } from './analytics.ts';
import * as shape from './answers.ts';
import { createCloudflareApi, orNothing, type CloudflareApi } from './api-call.ts';
import { hyperdrives } from './hyperdrive.ts';
import { workerForm } from './worker-form.ts';

const PAGE = 100;
/** The vendor keeps 1000 bytes of a message. */
const LONGEST_MESSAGE = 900;
const NO_SUCH_WORKER = '10007';
const BUCKET_EXISTS = '10073';

/** Cloudflare's API v4. In a rehearsal only the base URL and the token differ. */
export function createCloudflareProvider(
  config: RolloutConfig['cloudflare'],
  api: CloudflareApi = createCloudflareApi(config),
): CloudflareProvider {
  return {
    ...workers(api, `/accounts/${config.accountId}/workers/scripts`),
    ...queues(api, `/accounts/${config.accountId}/queues`),
    async telemetry(sql) {
      const path = `/accounts/${config.accountId}/analytics_engine/sql`;
      return (await api.sendText(path, sql, shape.telemetry)).data;
    },
    ...buckets(api, `/accounts/${config.accountId}/r2/buckets`),
    ...hyperdrives(api, `/accounts/${config.accountId}/hyperdrive/configs`),
    ...zone(api, `/zones/${config.zoneId}`),
    ...createAnalytics(config, api),
  };
}

type Workers = Pick<
  CloudflareProvider,
  'uploadScript' | 'uploadVersion' | 'listVersions' | 'listDeployments' | 'deploy' | 'getSubdomain' | 'setSubdomain'
>;

function workers({ call, sendForm }: CloudflareApi, scripts: string): Workers {
  async function listVersions(script: string): Promise<WorkerVersion[]> {
    const asked = call('get', `${scripts}/${script}/versions`, shape.versions, { query: { per_page: PAGE } });
    return (await orNothing(asked, { items: [] })).items.map(shape.toVersion);
  }

  async function uploadScript(script: string, upload: WorkerUpload): Promise<WorkerVersion> {
    await retrying(() => sendForm('PUT', `${scripts}/${script}`, workerForm(upload), v.unknown()));
    const version = (await listVersions(script)).find((one) => one.tag === upload.tag);
    if (version !== undefined) return version;
    throw new ProviderError('Cloudflare', `upload of ${script}`, {
      status: 200,
      code: 'missing',
      message: `its versions name none with the tag ${upload.tag}, which was uploaded just now`,
      hint: 'look at the versions of the script in the dashboard, then run it again',
    });
  }

  return {
    listVersions,
    uploadScript,
    async uploadVersion(script, upload) {
      try {
        const path = `${scripts}/${script}/versions`;
        const version = await retrying(() => sendForm('POST', path, workerForm(upload), shape.version));
        return { ...shape.toVersion(version), tag: upload.tag };
      } catch (error) {
        if (!(error instanceof ProviderError) || error.status !== 404 || error.code !== NO_SUCH_WORKER) throw error;
      }
      // A script that does not exist yet takes its first version only by an upload that also activates it.
      return uploadScript(script, upload);
    },
    async listDeployments(script) {
      const asked = call('get', `${scripts}/${script}/deployments`, shape.deployments);
      return (await orNothing(asked, { deployments: [] })).deployments.map(shape.toDeployment);
    },
    async deploy(script, versions, message) {
      const body = {
        strategy: 'percentage',
        versions: versions.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
        annotations: { 'workers/message': Buffer.from(message).subarray(0, LONGEST_MESSAGE).toString('utf8') },
      };
      // `force`: a rollback must not be refused because secrets changed since (10220).
      const options = { body, query: { force: 'true' } };
      return shape.toDeployment(await call('post', `${scripts}/${script}/deployments`, shape.deployment, options));
    },
    async getSubdomain(script) {
      const answer = await orNothing(call('get', `${scripts}/${script}/subdomain`, shape.subdomain), null);
      return answer === null ? null : { enabled: answer.enabled, previewsEnabled: answer.previews_enabled };
    },
    async setSubdomain(script, { enabled, previewsEnabled }) {
      const body = { enabled, previews_enabled: previewsEnabled };
      await call('post', `${scripts}/${script}/subdomain`, shape.subdomain, { body });
    },
  };
}

type Queues = Pick<CloudflareProvider, 'getQueue' | 'createQueue' | 'createPullConsumer' | 'deleteQueue'>;

function queues({ call, callBare }: CloudflareApi, root: string): Queues {
  const find = async (name: string) =>
    (await call('get', root, v.array(shape.queue))).find((one) => one.queue_name === name) ?? null;
  return {
    async getQueue(name) {
      const queue = await find(name);
      if (queue === null) return null;
      const consumers = await call('get', `${root}/${queue.queue_id}/consumers`, v.array(shape.consumer));
      return {
        id: queue.queue_id,
        name,
        pullConsumers: consumers.filter((one) => one.type === 'http_pull').length,
      };
    },
    async createQueue(name) {
      return retrying(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = attempt > 1 ? await find(name) : null;
        if (made !== null) return { id: made.queue_id };
        const queue = await call('post', root, shape.queue, { body: { queue_name: name }, retries: 0 });
        return { id: queue.queue_id };
      });
    },
    async createPullConsumer(queueId) {
      await callBare('post', `${root}/${queueId}/consumers`, shape.envelope, {
        body: { type: 'http_pull' },
        retries: 0,
      });
    },
    async deleteQueue(id) {
      await orNothing(callBare('delete', `${root}/${id}`, shape.envelope), null);
    },
  };
}

type Buckets = Pick<
  CloudflareProvider,
  'getBucket' | 'createBucket' | 'deleteBucket' | 'getLifecycle' | 'putLifecycle' | 'getCors' | 'putCors'
>;

function buckets({ call, callBare }: CloudflareApi, root: string): Buckets {
  return {
    async getBucket(name) {
      const answer = await orNothing(call('get', `${root}/${name}`, shape.bucket), null);
      return answer === null ? null : { name: answer.name, createdOn: answer.creation_date };
    },
    // The SDK would ask three times at a 409, which here is an answer: the bucket exists, or is not empty.
    async createBucket(name) {
      await retrying(async (attempt) => {
        try {
          await call('post', root, shape.bucket, { body: { name }, retries: 0 });
        } catch (error) {
          // An attempt whose answer was lost may have made it.
          const made = error instanceof ProviderError && error.code === BUCKET_EXISTS && attempt > 1;
          if (!made) throw error;
        }
      });
    },
    async deleteBucket(name) {
      await retrying(async (attempt) => {
        const asked = callBare('delete', `${root}/${name}`, shape.envelope, { retries: 0 });
        await (attempt === 1 ? asked : orNothing(asked, null));
      });
    },
    async getLifecycle(bucket) {
      return (await call('get', `${root}/${bucket}/lifecycle`, shape.lifecycle)).rules;
    },
    async putLifecycle(bucket, rules) {
      await callBare('put', `${root}/${bucket}/lifecycle`, shape.envelope, { body: { rules } });
    },
    async getCors(bucket) {
      // A bucket without a policy answers 404.
      return (await orNothing(call('get', `${root}/${bucket}/cors`, shape.cors), { rules: [] })).rules;
    },
    async putCors(bucket, rules) {
      const path = `${root}/${bucket}/cors`;
      if (rules.length === 0) await orNothing(callBare('delete', path, shape.envelope), null);
      else await callBare('put', path, shape.envelope, { body: { rules } });
    },
  };
}

type Zone = Pick<
  CloudflareProvider,
  | 'listDnsRecords'
  | 'createDnsRecord'
  | 'patchDnsRecord'
  | 'deleteDnsRecord'
  | 'listRoutes'
  | 'createRoute'
  | 'deleteRoute'
>;

function zone({ call, callBare }: CloudflareApi, root: string): Zone {
  async function listDnsRecords(name: string): Promise<DnsRecord[]> {
    const query = { 'name.exact': name, per_page: PAGE };
    return (await call('get', `${root}/dns_records`, v.array(shape.dnsRecord), { query })).map(shape.toDnsRecord);
  }
  return {
    listDnsRecords,
    async createDnsRecord({ comment, ...record }) {
      return retrying(async (attempt) => {
        // An attempt whose answer was lost may have made it.
        const made = (attempt > 1 ? await listDnsRecords(record.name) : []).find(
          ({ type, content }) => type === record.type && content === record.content,
        );
        if (made !== undefined) return made;
        const options = { body: { ...record, comment: comment ?? '' }, retries: 0 };
        return shape.toDnsRecord(await call('post', `${root}/dns_records`, shape.dnsRecord, options));
      });
    },
    async patchDnsRecord(id, { comment, ...change }) {
      // The API takes no null: an empty comment is how one is taken away.
      const body = comment === undefined ? change : { ...change, comment: comment ?? '' };
      return shape.toDnsRecord(await call('patch', `${root}/dns_records/${id}`, shape.dnsRecord, { body }));
    },
    async deleteDnsRecord(id) {
      await orNothing(callBare('delete', `${root}/dns_records/${id}`, shape.envelope), null);
    },
    async listRoutes() {
      return (await call('get', `${root}/workers/routes`, v.array(shape.route))).map(shape.toRoute);
    },
    async createRoute(pattern, script) {
      const options = { body: { pattern, script }, retries: 0 };
      const { id } = await call('post', `${root}/workers/routes`, v.object({ id: v.string() }), options);
      return { id, pattern, script };
    },
    async deleteRoute(id) {
      await orNothing(callBare('delete', `${root}/workers/routes/${id}`, shape.envelope), null);
    },
  };
}

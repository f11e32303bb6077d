import * as v from 'valibot';
import { ProviderError } from '../provider-error.ts';
import type {
  CloudflareProvider,
  DeploymentSplit,
  WorkerDeployment,
  WorkerUpload,
  WorkerVersion,
} from '../providers.ts';
import * as shape from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';
import { createOwnWrites } from './own-writes.ts';
import { workerForm } from './worker-form.ts';

const PAGE = 100;
/** The vendor keeps 1000 bytes of a message. */
const LONGEST_MESSAGE = 900;
const NO_SUCH_WORKER = '10007';

type Workers = Pick<
  CloudflareProvider,
  'uploadScript' | 'uploadVersion' | 'listVersions' | 'listDeployments' | 'deploy' | 'getSubdomain' | 'setSubdomain'
>;

/** Scripts, their versions and deployments below `scripts`. */
export function createWorkers({ call, sendForm, again }: CloudflareApi, scripts: string, pace: number): Workers {
  const ownVersions = createOwnWrites<readonly WorkerVersion[]>(pace);
  const ownDeployments = createOwnWrites<readonly WorkerDeployment[]>(pace);

  const listVersions = (script: string): Promise<readonly WorkerVersion[]> =>
    ownVersions.read(script, async () => {
      const asked = call('get', `${scripts}/${script}/versions`, shape.versions, { query: { per_page: PAGE } });
      return (await orNothing(asked, { items: [] })).items.map(shape.toVersion);
    });

  const listDeployments = (script: string): Promise<readonly WorkerDeployment[]> =>
    ownDeployments.read(script, async () => {
      const asked = call('get', `${scripts}/${script}/deployments`, shape.deployments);
      return (await orNothing(asked, { deployments: [] })).deployments.map(shape.toDeployment);
    });

  const find = async (script: string, tag: string): Promise<WorkerVersion | undefined> =>
    (await listVersions(script)).find((one) => one.tag === tag);

  /** Whether the newest deployment is this split, as somebody asked for it whose answer was lost. */
  async function newest(script: string, versions: readonly DeploymentSplit[]): Promise<WorkerDeployment | null> {
    const [serving] = await listDeployments(script);
    const inOrder = (split: readonly DeploymentSplit[]) =>
      split
        .map(({ versionId, percentage }) => `${versionId} ${percentage}`)
        .toSorted()
        .join();
    return serving !== undefined && inOrder(serving.versions) === inOrder(versions) ? serving : null;
  }

  async function uploadScript(script: string, upload: WorkerUpload): Promise<WorkerVersion> {
    await again(async (attempt) => {
      const made = attempt > 1 ? await find(script, upload.tag) : undefined;
      if (made !== undefined && (await newest(script, [{ versionId: made.id, percentage: 100 }])) !== null) return;
      await sendForm('PUT', `${scripts}/${script}`, workerForm(upload), v.unknown());
    });
    ownVersions.note(script, (list) => list.some((one) => one.tag === upload.tag));
    const version = await find(script, upload.tag);
    if (version === undefined) {
      throw new ProviderError('Cloudflare', `upload of ${script}`, {
        status: 200,
        code: 'missing',
        message: `its versions name none with the tag ${upload.tag}, which was uploaded just now`,
        hint: 'look at the versions of the script in the dashboard, then run it again',
      });
    }
    ownDeployments.note(script, (list) => list.some((one) => one.versions.some((v) => v.versionId === version.id)));
    return version;
  }

  return {
    listVersions,
    listDeployments,
    uploadScript,
    async uploadVersion(script, upload) {
      try {
        const version = await again(async (attempt) => {
          const made = attempt > 1 ? await find(script, upload.tag) : undefined;
          if (made !== undefined) return made;
          const answer = await sendForm('POST', `${scripts}/${script}/versions`, workerForm(upload), shape.version);
          return { ...shape.toVersion(answer), tag: upload.tag };
        });
        ownVersions.note(script, (list) => list.some((one) => one.id === version.id));
        return version;
      } catch (error) {
        if (!(error instanceof ProviderError) || error.status !== 404 || error.code !== NO_SUCH_WORKER) throw error;
      }
      // A script that does not exist yet takes its first version only by an upload that also activates it.
      return uploadScript(script, upload);
    },
    async deploy(script, versions, message) {
      const body = {
        strategy: 'percentage',
        versions: versions.map(({ versionId, percentage }) => ({ version_id: versionId, percentage })),
        annotations: { 'workers/message': Buffer.from(message).subarray(0, LONGEST_MESSAGE).toString('utf8') },
      };
      // `force`: a rollback must not be refused because secrets changed since (10220).
      const options = { body, query: { force: 'true' } };
      const deployed = await again(async (attempt) => {
        const made = attempt > 1 ? await newest(script, versions) : null;
        if (made !== null) return made;
        return shape.toDeployment(await call('post', `${scripts}/${script}/deployments`, shape.deployment, options));
      });
      ownDeployments.note(script, (list) => list.some((one) => one.id === deployed.id));
      return deployed;
    },
    async getSubdomain(script) {
      const answer = await orNothing(call('get', `${scripts}/${script}/subdomain`, shape.subdomain), null);
      return answer === null ? null : { enabled: answer.enabled, previewsEnabled: answer.previews_enabled };
    },
    async setSubdomain(script, { enabled, previewsEnabled }) {
      const body = { enabled, previews_enabled: previewsEnabled };
      await call('post', `${scripts}/${script}/subdomain`, shape.subdomain, { body, repeat: true });
    },
  };
}

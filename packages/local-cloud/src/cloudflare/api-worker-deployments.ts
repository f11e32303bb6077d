import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Account, AccountDeployment, AccountScript, AccountVersion } from './account-state.ts';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import { scriptNamed } from './api-context.ts';
import type { ApiContext } from './api-context.ts';
import type { WorkersRuntime } from './runtime-contract.ts';
import { deployableVersions, missingBucket, servingSplit } from './version-starts.ts';

const DeploymentBody = v.object({
  versions: v.array(v.object({ version_id: v.string(), percentage: v.number() })),
  annotations: v.optional(v.record(v.string(), v.string()), {}),
});
type Split = v.InferOutput<typeof DeploymentBody>['versions'];

/** Which versions serve, and with what share of the requests. A rollback is only another deployment. */
export function deploymentHandlers({ store, runtime, starts }: ApiContext): ApiHandlers {
  const scriptOf = ({ params }: ApiRequest) => scriptNamed(store.current().scripts, params['script_name']);
  return {
    'workers.scripts.deployments.list': (request) =>
      ok({ deployments: scriptOf(request).deployments.map(shownDeployment) }),
    'workers.scripts.deployments.get': (request) => {
      const deployment = scriptOf(request).deployments.find((one) => one.id === request.params['deployment_id']);
      if (deployment === undefined) throw new ApiFailure(404, 10007, 'This deployment does not exist on the Worker.');
      return ok(shownDeployment(deployment));
    },
    'workers.scripts.deployments.create': async (request) => {
      const { versions: split, annotations } = v.parse(DeploymentBody, request.body);
      const { name } = scriptOf(request);
      const created = await store.change(
        async (draft) => {
          const script = scriptNamed(draft.scripts, name);
          const chosen = deployable(script, split, draft);
          if (request.query['force'] !== true) refuseChangedSecrets(script, chosen);
          // One that was uploaded before a restart and never served runs no more.
          for (const version of chosen) await starts.start(name, version);
          const deployment = {
            id: randomUUID(),
            createdOn: new Date().toISOString(),
            annotations: { ...withMessage(annotations['workers/message']), 'workers/triggered_by': 'deployment' },
            versions: split,
          };
          script.deployments.unshift(deployment);
          return deployment;
        },
        (account) => deploy(runtime, scriptNamed(account.scripts, name)),
      );
      return ok(shownDeployment(created));
    },
  };
}

/** Tells the runtime what the newest deployment of a script says. */
export function deploy(runtime: WorkersRuntime, script: AccountScript): void {
  runtime.setDeployment(script.name, servingSplit(script));
}

/** The versions of a split. Throws where the vendor's rules forbid it. */
function deployable(script: AccountScript, split: Split, account: Account): AccountVersion[] {
  const total = split.reduce((sum, one) => sum + one.percentage, 0);
  if (split.length === 0 || split.length > 2) {
    throw new ApiFailure(400, 10021, `A deployment has one or two versions, not ${split.length}.`);
  }
  if (Math.abs(total - 100) > 0.001) {
    throw new ApiFailure(400, 10021, `The percentages of a deployment total 100, not ${total}.`);
  }
  if (new Set(split.map((one) => one.version_id)).size < split.length) {
    throw new ApiFailure(400, 10021, 'A deployment names each version once.');
  }
  return split.map(({ version_id: id }) => {
    const age = script.versions.findIndex((one) => one.id === id);
    const version = script.versions[age];
    if (version === undefined) throw new ApiFailure(404, 10007, `Version ${id} does not exist on this Worker.`);
    if (age >= deployableVersions) {
      throw new ApiFailure(400, 10021, `Version ${id} is not among the newest ${deployableVersions}.`);
    }
    const missing = missingBucket(version, account.buckets);
    if (missing !== undefined)
      throw new ApiFailure(400, 10085, `Version ${id} binds R2 bucket '${missing}', not found.`);
    return version;
  });
}

/** A rollback to a version whose secrets are no longer those that serve needs `?force=true`. */
function refuseChangedSecrets(script: AccountScript, chosen: readonly AccountVersion[]): void {
  const servingIds = script.deployments[0]?.versions.map((one) => one.version_id) ?? [];
  const serving = script.versions.filter((one) => servingIds.includes(one.id));
  const newest = serving[0];
  if (newest === undefined) return;
  const older = chosen.filter((one) => one.number < newest.number && !servingIds.includes(one.id));
  if (older.some((one) => secretsOf(one) !== secretsOf(newest))) {
    throw new ApiFailure(
      400,
      10220,
      'Secrets have changed since that version was deployed; force the rollback if meant.',
    );
  }
}

function secretsOf(version: AccountVersion): string {
  const secrets = version.bindings.filter((one) => one.type === 'secret_text');
  return JSON.stringify(secrets.map((one) => [one.name, one.text]).sort());
}

/** The vendor keeps 1000 bytes of a message. */
function withMessage(message: string | undefined): Record<string, string> {
  if (message === undefined) return {};
  return { 'workers/message': Buffer.from(message).subarray(0, 1000).toString('utf8') };
}

function shownDeployment(deployment: AccountDeployment) {
  return {
    id: deployment.id,
    created_on: deployment.createdOn,
    source: 'api',
    strategy: 'percentage',
    versions: deployment.versions,
    annotations: deployment.annotations,
    author_email: 'owner@local-cloud.test',
  };
}

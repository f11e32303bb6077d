import { isDeepStrictEqual } from 'node:util';
import { parseHealth, type Health } from '../../checks/worker/media-client.ts';
import type { DeploymentSplit } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';

/** What serves now, sorted by version; `null` when the Worker was never deployed. */
export async function servingSplit(
  { config, providers }: RolloutContext,
  environment: EnvironmentName,
): Promise<DeploymentSplit[] | null> {
  const [serving] = await providers.cloudflare.listDeployments(config.environments[environment].worker.name);
  return serving === undefined ? null : sorted(serving.versions);
}

function sorted(split: readonly DeploymentSplit[]): DeploymentSplit[] {
  return split
    .map(({ versionId, percentage }) => ({ versionId, percentage }))
    .toSorted((a, b) => a.versionId.localeCompare(b.versionId));
}

/** Makes the split serve; answers whether a call was needed. */
export async function ensureDeployed(
  context: RolloutContext,
  environment: EnvironmentName,
  split: readonly DeploymentSplit[],
  message: string,
): Promise<boolean> {
  if (isDeepStrictEqual(await servingSplit(context, environment), sorted(split))) return false;
  await context.providers.cloudflare.deploy(
    context.config.environments[environment].worker.name,
    split,
    `${context.rollout}: ${message}`,
  );
  return true;
}

/** What `GET /health` says: by the public name, or at the edge itself before DNS leads there; one version if named. */
export async function askHealth(
  { config, providers }: RolloutContext,
  environment: EnvironmentName,
  options: { via?: string; version?: string } = {},
): Promise<Health> {
  const { name, mediaOrigin } = config.environments[environment].worker;
  const headers: Record<string, string> =
    options.version === undefined ? {} : { 'cloudflare-workers-version-overrides': `${name}="${options.version}"` };
  const response = await providers.http.request(`${mediaOrigin}/health`, {
    headers,
    ...(options.via === undefined ? {} : { via: options.via }),
  });
  return parseHealth(response);
}

/** An address of Cloudflare's edge, to reach the Worker before DNS leads there. */
export function edgeAddress({ config }: RolloutContext): string {
  const [address] = config.dns.edgeAddresses;
  if (address === undefined) throw new Error('dns.edgeAddresses is empty');
  return address;
}

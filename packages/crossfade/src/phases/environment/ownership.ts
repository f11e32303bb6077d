import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { OWN_RULE } from './bucket-rules.ts';
import { addressRecords, describeRecord, isAsWanted, isOurs, wantedRecord } from './media-record.ts';
import { OWN_TAG } from './worker-upload.ts';

/**
 * What stands under the config's names and was not made by Crossfade, in words; empty when all is ours or not there.
 * A Worker is ours by the tags of its versions, a bucket by our rules on it (or by being empty), a route by its Worker,
 * staging's DNS record by its comment (production's is the app's own until the cutover). A Hyperdrive config is found
 * by a name that only Crossfade gives, so that there is none of somebody else.
 */
export async function foreignParts(
  { config, providers }: Pick<RolloutContext, 'config' | 'providers'>,
  environment: EnvironmentName,
): Promise<string[]> {
  const { worker } = config.environments[environment];
  const { cloudflare } = providers;
  const foreign: string[] = [];
  for (const name of [worker.name, worker.limitsName]) {
    const versions = await cloudflare.listVersions(name);
    if (versions.length > 0 && !versions.some((version) => OWN_TAG.test(version.tag ?? '')))
      foreign.push(`the Worker ${name} has ${versions.length} versions, none of them uploaded by Crossfade`);
  }
  if ((await cloudflare.getBucket(worker.bucket)) !== null) {
    const rules = await cloudflare.getLifecycle(worker.bucket);
    const ours = rules.some((rule) => rule.id.startsWith(OWN_RULE));
    const [first] = ours ? [] : await firstKeys(providers.r2[environment].list());
    if (first !== undefined) foreign.push(`the bucket ${worker.bucket} holds ${first} and none of Crossfade's rules`);
  }
  const pattern = `${new URL(worker.mediaOrigin).hostname}/*`;
  const route = (await cloudflare.listRoutes()).find((one) => one.pattern === pattern);
  if (route !== undefined && route.script !== worker.name)
    foreign.push(`the route ${pattern} belongs to the Worker ${route.script ?? '(none)'}`);
  if (environment === 'staging') {
    const wanted = wantedRecord(config, environment);
    const records = await addressRecords({ config, providers }, environment);
    for (const record of records)
      if (!isOurs(record) && !(records.length === 1 && isAsWanted(record, wanted)))
        foreign.push(`the DNS record ${describeRecord(record)} was not made by Crossfade`);
  }
  return foreign;
}

async function firstKeys(objects: AsyncIterable<{ key: string }>): Promise<string[]> {
  for await (const { key } of objects) return [key];
  return [];
}

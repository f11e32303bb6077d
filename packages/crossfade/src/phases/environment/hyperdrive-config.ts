import { createHmac } from 'node:crypto';
import type { HyperdriveConfig, HyperdriveOrigin } from '../../providers/providers.ts';
import type { EnvironmentName, RolloutConfig } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';

export interface WantedHyperdrive {
  readonly name: string;
  readonly origin: HyperdriveOrigin & { readonly password: string };
}

const POSTGRES_PORT = 5432;
const MARK = /^[0-9a-f]{8}$/;

const prefix = (config: RolloutConfig, environment: EnvironmentName): string =>
  `${config.environments[environment].worker.name}-database-`;

/**
 * The Hyperdrive config that leads to an environment's database. The vendor never tells a password again, so the name
 * ends with a keyed hash of the whole address: it marks the config as ours, and a changed password shows as a changed name.
 */
export function wantedHyperdrive(config: RolloutConfig, environment: EnvironmentName): WantedHyperdrive {
  const address = config.environments[environment].database.url;
  const [key] = config.worker.signingKeys;
  const mark = createHmac('sha256', key?.secret ?? '')
    .update(address)
    .digest('hex')
    .slice(0, 8);
  const { hostname, port, pathname, username, password } = new URL(address);
  return {
    name: `${prefix(config, environment)}${mark}`,
    origin: {
      host: hostname,
      port: port === '' ? POSTGRES_PORT : Number(port),
      database: decodeURIComponent(pathname.slice(1)),
      user: decodeURIComponent(username),
      password: decodeURIComponent(password),
    },
  };
}

/** What of a config is not as wanted, by the fields' names: never by their values. */
export function differences(found: HyperdriveConfig, { name, origin }: WantedHyperdrive): string[] {
  const fields = (['host', 'port', 'database', 'user'] as const).filter(
    (field) => found.origin[field] !== origin[field],
  );
  return [...(found.name === name ? [] : ['name']), ...fields, ...(found.cachingDisabled ? [] : ['caching'])];
}

/**
 * The config that the environment's Worker binds: the one that the rollout's config names, otherwise the one of ours;
 * `null` when there is none. Throws when several are ours: then a person must decide.
 */
export async function findHyperdrive(
  { config, providers }: Pick<RolloutContext, 'config' | 'providers'>,
  environment: EnvironmentName,
): Promise<HyperdriveConfig | null> {
  const { hyperdriveId } = config.environments[environment];
  const all = await providers.cloudflare.listHyperdrives();
  if (hyperdriveId !== undefined) return all.find((one) => one.id === hyperdriveId) ?? null;
  const start = prefix(config, environment);
  const ours = all.filter(({ name }) => name.startsWith(start) && MARK.test(name.slice(start.length)));
  if (ours.length > 1)
    throw new Error(
      `the account has ${ours.length} Hyperdrive configs of ours, expected 1: ${ours.map(({ name }) => name).join(', ')}; delete those that no Worker binds`,
    );
  return ours[0] ?? null;
}

/** The id that the Worker binds. Throws when there is no config yet. */
export async function hyperdriveIdOf(
  context: Pick<RolloutContext, 'config' | 'providers'>,
  environment: EnvironmentName,
): Promise<string> {
  const { hyperdriveId } = context.config.environments[environment];
  if (hyperdriveId !== undefined) return hyperdriveId;
  const found = await findHyperdrive(context, environment);
  if (found === null)
    throw new Error(`there is no Hyperdrive config ${wantedHyperdrive(context.config, environment).name} to bind`);
  return found.id;
}

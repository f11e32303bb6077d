import type { Env, RolloutConfig, StoreConfig } from '../rollout/config.ts';
import { LOCATION_FORMS, type Location } from '../transfer/location.ts';
import { awsStore, credentialsMissing, readEndpoint, valueOf } from './aws-environment.ts';
import { DEFAULT_CONFIG, loadConfig } from './load-config.ts';
import { storeInVariables, storesInVariables, variableOf } from './store-variables.ts';
import { UserError } from './user-error.ts';

interface Wanted {
  /** As it was written. */
  readonly text: string;
  readonly use: 'read' | 'write';
  readonly location: Location;
}

export interface FoundStore extends Omit<Wanted, 'location'> {
  readonly store: StoreConfig;
  /** Ends in a slash, or is empty. */
  readonly prefix: string;
}

/**
 * Which stores the locations mean. A name is looked up among the environment's variables first; the config is loaded
 * only where one is asked for, or a name needs it: two stores can be copied without any rollout.
 * @throws UserError for a name that nobody knows, one that means two things, and what is unset
 */
export async function findStores(
  wanted: readonly Wanted[],
  configFile: string | undefined,
  env: Env,
): Promise<{ readonly stores: readonly FoundStore[]; readonly config: RolloutConfig | null }> {
  const stores: (FoundStore | Wanted)[] = [];
  for (const one of wanted) stores.push((await withoutConfig(one, env)) ?? one);
  const left = stores.find((one) => 'location' in one);
  const config =
    configFile === undefined && left === undefined ? null : await configFor(left?.text ?? '', configFile, env);
  return { stores: stores.map((one) => ('store' in one ? unlessTwice(one, config) : named(one, config, env))), config };
}

async function withoutConfig({ text, use, location }: Wanted, env: Env): Promise<FoundStore | null> {
  switch (location.kind) {
    case 'folder':
      return { text, use, store: location, prefix: '' };
    case 's3':
      return { text, use, store: await awsStore(env, location.bucket, text), prefix: location.prefix };
    case 'supabase':
      return { text, use, store: supabaseStore(env, location.bucket, text), prefix: location.prefix };
    case 'named': {
      const known = await storeInVariables(env, location.name);
      return known && { text, use, store: known.store, prefix: `${known.prefix}${location.prefix}` };
    }
  }
}

/** By the names that Supabase's own guides use. */
function supabaseStore(env: Env, bucket: string, written: string): StoreConfig {
  const url = valueOf(env, 'SUPABASE_URL');
  const serviceKey = valueOf(env, 'SUPABASE_SERVICE_ROLE_KEY') ?? valueOf(env, 'SUPABASE_SECRET_KEY');
  if (url === undefined || serviceKey === undefined)
    throw credentialsMissing(
      written,
      { SUPABASE_URL: url, SUPABASE_SERVICE_ROLE_KEY: serviceKey },
      "set them in the environment or the file of --env: the project's address and its service_role or secret key",
    );
  return { kind: 'supabase', url: readEndpoint('SUPABASE_URL', url), serviceKey, bucket };
}

async function configFor(text: string, file: string | undefined, env: Env): Promise<RolloutConfig> {
  try {
    return await loadConfig(file ?? DEFAULT_CONFIG, env);
  } catch (error) {
    const [name = ''] = text.split('/');
    // Who asks for a store of a rollout wants to hear all of what is wrong with the rollout's config.
    if (file !== undefined || !(error instanceof UserError) || ROLLOUT_STORES.has(name)) throw error;
    throw new UserError(
      'CROSSFADE_LOCATION_UNKNOWN',
      `there is no store ${JSON.stringify(name)}: ${variableOf(name)} is not set, and ${error.message.split('\n')[0]?.replace(/:$/, '')}`,
      `set it to s3://bucket, supabase://bucket or a folder, name a config with --config FILE, or ${LOCATION_FORMS}`,
    );
  }
}

/** What every config names, besides its `transfer.stores`. */
const ROLLOUT_STORES: ReadonlySet<string> = new Set(['legacy', 'legacy-rest', 'production', 'staging']);

function ofConfig({ environments, cloudflare, transfer }: RolloutConfig): Readonly<Record<string, StoreConfig>> {
  const { production, staging } = environments;
  const { bucket, url, serviceKey, s3 } = production.supabase;
  return {
    ...transfer.stores,
    legacy: { kind: 's3', ...s3, bucket },
    'legacy-rest': { kind: 'supabase', url, serviceKey, bucket },
    production: { kind: 's3', ...cloudflare.r2, bucket: production.worker.bucket },
    staging: { kind: 's3', ...cloudflare.r2, bucket: staging.worker.bucket },
  };
}

function named({ text, use, location }: Wanted, config: RolloutConfig | null, env: Env): FoundStore {
  if (config === null || location.kind !== 'named') throw new Error(`${text} needs the config`);
  const known = ofConfig(config);
  const store = Object.hasOwn(known, location.name) ? known[location.name] : undefined;
  if (store !== undefined) return { text, use, store, prefix: location.prefix };
  throw new UserError(
    'CROSSFADE_LOCATION_UNKNOWN',
    `there is no store ${JSON.stringify(location.name)}; there are: ${[...Object.keys(known), ...storesInVariables(env)].toSorted().join(', ')}`,
    `add it to transfer.stores of the config, set ${variableOf(location.name)}, or ${LOCATION_FORMS}`,
  );
}

/** A copy must not go to another account than the one that somebody had in mind. */
function unlessTwice(found: FoundStore, config: RolloutConfig | null): FoundStore {
  const [name = ''] = found.text.split('/');
  if (config === null || !Object.hasOwn(ofConfig(config), name)) return found;
  throw new UserError(
    'CROSSFADE_LOCATION_AMBIGUOUS',
    `${JSON.stringify(name)} is a store of the config, and ${variableOf(name)} names another`,
    `unset ${variableOf(name)}, or give its store another name`,
  );
}

import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ObjectStore } from '../providers/providers.ts';
import { openS3Bucket } from '../providers/open-s3-bucket.ts';
import { encodeKey } from '../providers/s3/sigv4.ts';
import { createStorageRest } from '../providers/supabase/storage-rest.ts';
import { isSupabaseS3, type ProjectAddress } from '../providers/supabase/supabase-s3.ts';
import type { RolloutConfig, StoreConfig } from '../rollout/config.ts';
import { createFolderStore } from '../transfer/folder-store.ts';
import { LocationError, overlap, parseLocation, refusedBy, type Location, type Place } from '../transfer/location.ts';
import { withEgressLimit } from '../transfer/egress.ts';
import type { LiveLimits } from '../transfer/limits.ts';
import type { Concurrency } from '../transfer/pace.ts';
import { prefixedStore } from '../transfer/prefixed-store.ts';
import { readEnvironment } from './environment-file.ts';
import { findStores } from './find-stores.ts';
import type { CommandFlags } from './main.ts';
import { demandFolder } from './open-folder.ts';
import { UserError } from './user-error.ts';

/** One side of a transfer. */
export interface OpenLocation {
  /** As it was written. */
  readonly text: string;
  /** Keys are relative to the location. */
  readonly store: ObjectStore;
  readonly place: Place;
  /** Why it cannot hold such a key; `null` when it can. */
  refuses(key: string): string | null;
  /** The calls that would put an object there, in so many parts; 1 for an object that goes up whole. */
  putCalls(key: string, parts: number): readonly { readonly method: string; readonly path: string }[];
  close(): Promise<void>;
}

export interface OpenLocations {
  readonly locations: readonly OpenLocation[];
  /** `null` when no location needed it. */
  readonly config: RolloutConfig | null;
  readonly concurrency: Concurrency;
  close(): Promise<void>;
}

export interface Opening {
  readonly flags: CommandFlags;
  /** Locations as written, and what is done there; a store that is written may not be one that is read. */
  readonly wanted: readonly { readonly text: string; readonly use: 'read' | 'write' }[];
  /** Only keys that begin with it. */
  readonly prefix: string;
  readonly concurrency: Concurrency | null;
  /** Told of what lies in a folder that is read and is no object. */
  readonly onSkipped: (path: string, reason: string) => void;
  /** What may be taken of the stores; no limits when absent. */
  readonly limits?: LiveLimits;
}

const DEFAULT_PART_BYTES = 16 * 1024 * 1024;

interface Limits {
  readonly partSizeBytes: number;
}

/** Opens the two sides of a transfer, or one. @throws UserError that says what to write instead, or which variable to set */
export async function openLocations(opening: Opening): Promise<OpenLocations> {
  const { flags, wanted } = opening;
  const parsed = wanted.map(({ text, use }) => ({ text, use, location: readLocation(text) }));
  const env = await readEnvironment(flags.env);
  const { stores, config } = await findStores(parsed, flags.config, env);
  const concurrency = opening.concurrency ?? config?.transfer.concurrency ?? 'auto';
  const limits = { partSizeBytes: config?.transfer.partSizeBytes ?? DEFAULT_PART_BYTES };
  const locations: OpenLocation[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(locations.map((one) => one.close()));
  };
  try {
    for (const { text, use, store, prefix } of stores) {
      const normalizesKeys =
        store.kind === 's3' && (store.normalizesKeys ?? store.endpoint === config?.cloudflare.r2.endpoint);
      locations.push(await openStore({ text, use, store, prefix, normalizesKeys, limits, opening, config }));
    }
    const [from, to] = locations;
    if (from !== undefined && to !== undefined && overlap(from.place, to.place))
      throw new UserError(
        'CROSSFADE_LOCATIONS_OVERLAP',
        from.place.path === to.place.path
          ? `${from.text} and ${to.text} are the same place`
          : `${from.text} and ${to.text} lie in each other`,
        'name two places of which neither holds the other',
      );
    return { locations, config, concurrency, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function readLocation(text: string): Location {
  try {
    return parseLocation(text, process.cwd());
  } catch (error) {
    if (error instanceof LocationError) throw new UserError('CROSSFADE_LOCATION_INVALID', error.message, error.hint);
    throw error;
  }
}

interface Opened {
  readonly text: string;
  readonly use: 'read' | 'write';
  readonly store: StoreConfig;
  readonly prefix: string;
  /** Somebody says so, or the config says that it is R2. */
  readonly normalizesKeys: boolean;
  readonly limits: Limits;
  readonly opening: Opening;
  readonly config: RolloutConfig | null;
}

async function openStore({
  text,
  use,
  store,
  prefix,
  normalizesKeys,
  limits,
  opening,
  config,
}: Opened): Promise<OpenLocation> {
  if (store.kind === 'folder') {
    const path = await demandFolder(resolve(store.path, prefix), use);
    const folder = createFolderStore({
      path,
      label: text,
      ...(use === 'read' ? { onSkipped: opening.onSkipped } : {}),
    });
    return {
      text,
      store: prefixedStore(folder, '', opening.prefix),
      place: { root: 'folders', path: path.endsWith('/') ? path : `${path}/` },
      refuses: (key) => refusedBy('folder', key),
      putCalls: (key) => [{ method: 'PUT', path: pathToFileURL(resolve(path, `./${key}`)).href }],
      close: async () => {},
    };
  }
  const mostRequests = (): number | null => opening.limits?.current().requestsPerSecond ?? null;
  const label = `${text.split('/')[0] === 's3:' ? 's3' : store.kind}:${store.bucket}`;
  if (store.kind === 'supabase') {
    if (use === 'write')
      throw new UserError(
        'CROSSFADE_LOCATION_READ_ONLY',
        `${text} is read over REST and cannot be written`,
        'write to it over S3: name its endpoint and keys in the config',
      );
    const rest = createStorageRest({ ...store, label, mostRequests });
    return {
      text,
      store: prefixedStore(limited(rest, use, opening), prefix, opening.prefix),
      place: placeOf(store.url, store.bucket, prefix),
      refuses: (key) => refusedBy('supabase', `${prefix}${key}`),
      putCalls: () => [],
      close: () => rest.close(),
    };
  }
  const bucket = openS3Bucket(
    { ...store, label, normalizesKeys, mostRequests, ...limits },
    store.project ?? projectOf(store.endpoint, config),
  );
  const endpoint = new URL(store.endpoint);
  const isSupabase = isSupabaseS3(store.endpoint);
  const root = `${endpoint.href.replace(/\/$/, '')}/${store.bucket}`;
  return {
    text,
    store: prefixedStore(limited(bucket, use, opening), prefix, opening.prefix),
    place: placeOf(store.endpoint, store.bucket, prefix),
    refuses: (key) => refusedBy(isSupabase ? 'supabase' : 's3', `${prefix}${key}`),
    putCalls: (key, parts) => s3Calls(`${root}/${encodeKey(`${prefix}${key}`)}`, parts),
    close: () => bucket.close(),
  };
}

/** The project behind an S3 endpoint, where the config knows it: it tells metadata that S3's headers do not. */
function projectOf(endpoint: string, config: RolloutConfig | null): ProjectAddress | null {
  const known = Object.values(config?.environments ?? {}).map(({ supabase }) => supabase);
  return known.find(({ s3 }) => s3.endpoint === endpoint) ?? null;
}

/** Only what is read costs egress that the user bounds. */
function limited<Store extends ObjectStore>(store: Store, use: 'read' | 'write', { limits }: Opening): Store {
  return use === 'write' || limits === undefined ? store : withEgressLimit(store, () => limits.current().egressBytes);
}

/** REST and S3 of one Supabase project are one place. */
function placeOf(address: string, bucket: string, prefix: string): Place {
  return { root: `${new URL(address).origin}/${bucket}`, path: prefix };
}

function s3Calls(url: string, parts: number): { method: string; path: string }[] {
  if (parts === 1) return [{ method: 'PUT', path: url }];
  return [
    { method: 'POST', path: `${url}?uploads` },
    ...Array.from({ length: parts }, (_, index) => ({
      method: 'PUT',
      path: `${url}?partNumber=${index + 1}&uploadId=…`,
    })),
    { method: 'POST', path: `${url}?uploadId=…` },
  ];
}

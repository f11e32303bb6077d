import type { Env, StoreConfig } from '../rollout/config.ts';
import { LocationError, parseLocation } from '../transfer/location.ts';
import { awsStore, credentialsMissing, readEndpoint, valueOf } from './aws-environment.ts';
import { UserError } from './user-error.ts';

const BEGIN = 'CROSSFADE_STORE_';

/** The variable that names a store: `old-media` is `CROSSFADE_STORE_OLD_MEDIA`. */
export const variableOf = (name: string): string => `${BEGIN}${name.toUpperCase().replaceAll('-', '_')}`;

/** Names of the stores that the environment knows, as locations write them. */
export function storesInVariables(env: Env): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith(BEGIN) && valueOf(env, name) !== undefined && !FIELD.test(name))
    .map((name) => name.slice(BEGIN.length).toLowerCase().replaceAll('_', '-'))
    .toSorted();
}

/** Endings of a store's other variables. */
const FIELDS = [
  'ENDPOINT',
  'REGION',
  'ACCESS_KEY_ID',
  'SECRET_ACCESS_KEY',
  'SESSION_TOKEN',
  'PROFILE',
  'URL',
  'KEY',
  'NORMALIZES_KEYS',
];
const FIELD = new RegExp(`_(${FIELDS.join('|')})$`);

/**
 * A store by variables of its own, so that either side of a copy has its own account: `CROSSFADE_STORE_OLD=s3://media`
 * with `CROSSFADE_STORE_OLD_ENDPOINT`, `…_REGION`, `…_ACCESS_KEY_ID`, `…_SECRET_ACCESS_KEY` and `…_SESSION_TOKEN`, or
 * `…_PROFILE`; `supabase://media` with `…_URL` and `…_KEY`; or a folder. `null` where no variable names it.
 * @throws UserError that names what is unset, or cannot be read
 */
export async function storeInVariables(
  env: Env,
  name: string,
): Promise<{ readonly store: StoreConfig; readonly prefix: string } | null> {
  const variable = variableOf(name);
  const text = valueOf(env, variable);
  if (text === undefined) return null;
  const location = readStoreLocation(variable, text);
  if (location.kind === 'folder') return { store: location, prefix: '' };
  const own = (field: string): string | undefined => valueOf(env, `${variable}_${field}`);
  const written = `${variable}=${text}`;
  const { bucket, prefix } = location;
  if (location.kind === 'supabase') {
    const [url, serviceKey] = [own('URL'), own('KEY')];
    if (url === undefined || serviceKey === undefined)
      throw credentialsMissing(
        written,
        { [`${variable}_URL`]: url, [`${variable}_KEY`]: serviceKey },
        "set them to the project's address and its service_role or secret key",
      );
    return {
      store: { kind: 'supabase', url: readEndpoint(`${variable}_URL`, url), serviceKey, bucket },
      prefix,
    };
  }
  const profile = own('PROFILE');
  const endpoint = own('ENDPOINT');
  if (profile !== undefined) {
    const shared = Object.entries(env).filter(([known]) => /^AWS_(CONFIG|SHARED_CREDENTIALS)_FILE$/.test(known));
    const asAws = {
      ...Object.fromEntries(shared),
      AWS_PROFILE: profile,
      ...(own('REGION') === undefined ? {} : { AWS_REGION: own('REGION') }),
      ...(endpoint === undefined ? {} : { AWS_ENDPOINT_URL_S3: endpoint }),
    };
    return { store: await awsStore(asAws, bucket, written), prefix };
  }
  const [accessKeyId, secretAccessKey, region] = [own('ACCESS_KEY_ID'), own('SECRET_ACCESS_KEY'), own('REGION')];
  if (accessKeyId === undefined || secretAccessKey === undefined || region === undefined)
    throw credentialsMissing(
      written,
      {
        [`${variable}_ACCESS_KEY_ID`]: accessKeyId,
        [`${variable}_SECRET_ACCESS_KEY`]: secretAccessKey,
        [`${variable}_REGION`]: region,
      },
      `set them in the environment or the file of --env (and ${variable}_ENDPOINT for a store that is not AWS), or ${variable}_PROFILE; for R2 the region is auto`,
    );
  const sessionToken = own('SESSION_TOKEN');
  const [url, serviceKey, normalizes] = [own('URL'), own('KEY'), own('NORMALIZES_KEYS')];
  return {
    store: {
      kind: 's3',
      endpoint: readEndpoint(`${variable}_ENDPOINT`, endpoint ?? `https://s3.${region}.amazonaws.com`),
      region,
      accessKeyId,
      secretAccessKey,
      ...(sessionToken === undefined ? {} : { sessionToken }),
      bucket,
      ...(url === undefined || serviceKey === undefined ? {} : { project: { url, serviceKey } }),
      ...(normalizes === undefined ? {} : { normalizesKeys: readYes(`${variable}_NORMALIZES_KEYS`, normalizes) }),
    },
    prefix,
  };
}

function readYes(variable: string, text: string): boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  throw new UserError(
    'CROSSFADE_VARIABLE_INVALID',
    `${variable} is ${JSON.stringify(text)}`,
    'set it to true or false',
  );
}

function readStoreLocation(
  variable: string,
  text: string,
): Exclude<ReturnType<typeof parseLocation>, { kind: 'named' }> {
  const expected = 'set it to s3://bucket, supabase://bucket or a folder';
  try {
    const location = parseLocation(text, process.cwd());
    if (location.kind !== 'named') return location;
  } catch (error) {
    if (!(error instanceof LocationError)) throw error;
    throw new UserError('CROSSFADE_LOCATION_INVALID', `${variable}: ${error.message}`, expected);
  }
  throw new UserError(
    'CROSSFADE_LOCATION_INVALID',
    `${variable} is ${JSON.stringify(text)}, which is no store`,
    expected,
  );
}

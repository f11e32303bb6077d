import type { Env, StoreConfig } from '../rollout/config.ts';
import { UserError } from './user-error.ts';

type S3Store = Extract<StoreConfig, { kind: 's3' }>;

/** A variable's value; one that is set to nothing counts as unset, as AWS's tools have it. */
export function valueOf(env: Env, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value.trim() === '' ? undefined : value;
}

/**
 * A bucket by the variables and files that AWS's own tools read, in their order: credentials of the environment come
 * before those of `AWS_PROFILE`, the endpoint for S3 before the one for all services, and both before the profile's.
 * @see https://docs.aws.amazon.com/cli/latest/topic/config-vars.html
 * @see https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
 * @throws UserError that names each variable to set
 */
export async function awsStore(env: Env, bucket: string, written: string): Promise<S3Store> {
  const profile = valueOf(env, 'AWS_PROFILE') ?? valueOf(env, 'AWS_DEFAULT_PROFILE');
  const own = {
    accessKeyId: valueOf(env, 'AWS_ACCESS_KEY_ID'),
    secretAccessKey: valueOf(env, 'AWS_SECRET_ACCESS_KEY'),
  };
  const complete = own.accessKeyId !== undefined && own.secretAccessKey !== undefined;
  const settings = complete && profile === undefined ? {} : await readProfile(env, profile);
  const fromProfile = profile !== undefined && !complete ? credentialsOf(settings, profile, written) : undefined;
  const accessKeyId = fromProfile?.accessKeyId ?? own.accessKeyId ?? settings['aws_access_key_id'];
  const secretAccessKey = fromProfile?.secretAccessKey ?? own.secretAccessKey ?? settings['aws_secret_access_key'];
  const sessionToken = complete ? valueOf(env, 'AWS_SESSION_TOKEN') : settings['aws_session_token'];
  const region = valueOf(env, 'AWS_REGION') ?? valueOf(env, 'AWS_DEFAULT_REGION') ?? settings['region'];
  if (accessKeyId === undefined || secretAccessKey === undefined || region === undefined)
    throw credentialsMissing(
      written,
      { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_REGION: region },
      'set them in the environment or the file of --env (and AWS_ENDPOINT_URL_S3 for a store that is not AWS), or name an AWS_PROFILE',
    );
  const endpoint = readEndpoint(
    'AWS_ENDPOINT_URL_S3',
    endpointOf(env, settings) ?? `https://s3.${region}.amazonaws.com`,
  );
  const token = sessionToken === undefined ? {} : { sessionToken };
  return { kind: 's3', endpoint, region, accessKeyId, secretAccessKey, ...token, bucket };
}

function endpointOf(env: Env, settings: Settings): string | undefined {
  if (valueOf(env, 'AWS_IGNORE_CONFIGURED_ENDPOINT_URLS')?.toLowerCase() === 'true') return undefined;
  return (
    valueOf(env, 'AWS_ENDPOINT_URL_S3') ??
    valueOf(env, 'AWS_ENDPOINT_URL') ??
    settings['s3.endpoint_url'] ??
    settings['endpoint_url']
  );
}

/** @throws UserError when it is no address of a web server */
export function readEndpoint(variable: string, text: string): string {
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return text;
  throw new UserError(
    'CROSSFADE_ENDPOINT_INVALID',
    `${variable} is no http(s) address`,
    'set it to the address of the store',
  );
}

/** What is unset of these, in one message. */
export function credentialsMissing(
  written: string,
  values: Readonly<Record<string, string | undefined>>,
  hint: string,
): UserError {
  const unset = Object.keys(values).filter((name) => values[name] === undefined);
  return new UserError('CROSSFADE_CREDENTIALS_MISSING', `${written} needs ${unset.join(', ')}`, hint);
}

type Settings = Readonly<Record<string, string | undefined>>;

/** A profile of `~/.aws/config` and `~/.aws/credentials`, its services' settings among it; empty where there is none. */
async function readProfile(env: Env, profile = 'default'): Promise<Settings> {
  const { loadSharedConfigFiles } = await import('@smithy/shared-ini-file-loader');
  const [filepath, configFilepath] = [valueOf(env, 'AWS_SHARED_CREDENTIALS_FILE'), valueOf(env, 'AWS_CONFIG_FILE')];
  const { configFile, credentialsFile } = await loadSharedConfigFiles({
    ...(filepath === undefined ? {} : { filepath }),
    ...(configFilepath === undefined ? {} : { configFilepath }),
  });
  const configured = configFile[profile];
  const secret = credentialsFile[profile];
  if (configured === undefined && secret === undefined) {
    if (profile === 'default') return {};
    throw new UserError(
      'CROSSFADE_PROFILE_UNKNOWN',
      `AWS_PROFILE names ${JSON.stringify(profile)}, which is in neither AWS file`,
      `add it to ${configFilepath ?? '~/.aws/config'} or ${filepath ?? '~/.aws/credentials'}`,
    );
  }
  const services = configured?.['services'];
  const endpoint = services === undefined ? undefined : configFile[`services.${services}`]?.['s3.endpoint_url'];
  return { ...configured, ...secret, ...(endpoint === undefined ? {} : { 's3.endpoint_url': endpoint }) };
}

/** Ways to a credential that need a browser, a service or a program of somebody else. */
const INDIRECT = ['role_arn', 'sso_session', 'sso_start_url', 'credential_process', 'login_session'];

/** @throws UserError for a profile that holds no keys, with the command that gives some */
function credentialsOf(
  settings: Settings,
  profile: string,
  written: string,
): { accessKeyId: string; secretAccessKey: string } {
  const { aws_access_key_id: accessKeyId, aws_secret_access_key: secretAccessKey } = settings;
  if (accessKeyId !== undefined && secretAccessKey !== undefined) return { accessKeyId, secretAccessKey };
  const by = INDIRECT.find((name) => settings[name] !== undefined);
  throw new UserError(
    'CROSSFADE_CREDENTIALS_MISSING',
    `${written} needs keys, and the profile ${JSON.stringify(profile)} ${by === undefined ? 'has none' : `gets them by ${by}`}`,
    by === undefined
      ? 'add aws_access_key_id and aws_secret_access_key to it'
      : `fetch them first: eval "$(aws configure export-credentials --profile ${quotedName(profile)} --format env)"`,
  );
}

const quotedName = (name: string): string =>
  /^[\w.@-]+$/.test(name) ? name : `'${name.replaceAll("'", String.raw`'\''`)}'`;

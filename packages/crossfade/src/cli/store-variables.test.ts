import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { awsStore } from './aws-environment.ts';
import { findStores } from './find-stores.ts';
import { parseLocation } from '../transfer/location.ts';
import { storeInVariables } from './store-variables.ts';
import { UserError } from './user-error.ts';

const OLD = {
  CROSSFADE_STORE_OLD_MEDIA: 's3://media/users',
  CROSSFADE_STORE_OLD_MEDIA_ENDPOINT: 'https://s3.example',
  CROSSFADE_STORE_OLD_MEDIA_REGION: 'eu-west-1',
  CROSSFADE_STORE_OLD_MEDIA_ACCESS_KEY_ID: 'canary-id',
  CROSSFADE_STORE_OLD_MEDIA_SECRET_ACCESS_KEY: 'canary-secret',
};

describe('a store with variables of its own', () => {
  it('is an S3 bucket with its own endpoint and keys, whatever AWS_… says', async () => {
    const env = { ...OLD, AWS_ACCESS_KEY_ID: 'other', AWS_REGION: 'other', AWS_SESSION_TOKEN: 'other' };
    expect(await storeInVariables(env, 'old-media')).toEqual({
      prefix: 'users/',
      store: {
        kind: 's3',
        endpoint: 'https://s3.example',
        region: 'eu-west-1',
        accessKeyId: 'canary-id',
        secretAccessKey: 'canary-secret',
        bucket: 'media',
      },
    });
  });

  it('takes a session token, and is at AWS when no endpoint is set', async () => {
    const { CROSSFADE_STORE_OLD_MEDIA_ENDPOINT: _, ...rest } = OLD;
    const env = { ...rest, CROSSFADE_STORE_OLD_MEDIA_SESSION_TOKEN: 'canary-token' };
    expect((await storeInVariables(env, 'old-media'))?.store).toMatchObject({
      endpoint: 'https://s3.eu-west-1.amazonaws.com',
      sessionToken: 'canary-token',
    });
  });

  it('is a Supabase bucket by its address and key, or a folder', async () => {
    const supabase = {
      CROSSFADE_STORE_APP: 'supabase://my files',
      CROSSFADE_STORE_APP_URL: 'https://abc.supabase.co',
      CROSSFADE_STORE_APP_KEY: 'canary-key',
    };
    expect(await storeInVariables(supabase, 'app')).toEqual({
      prefix: '',
      store: { kind: 'supabase', url: 'https://abc.supabase.co', serviceKey: 'canary-key', bucket: 'my files' },
    });
    expect(await storeInVariables({ CROSSFADE_STORE_DISK: '/srv/media' }, 'disk')).toEqual({
      prefix: '',
      store: { kind: 'folder', path: '/srv/media' },
    });
  });

  it.each([
    [
      'no key',
      { ...OLD, CROSSFADE_STORE_OLD_MEDIA_SECRET_ACCESS_KEY: '' },
      'CROSSFADE_STORE_OLD_MEDIA_SECRET_ACCESS_KEY',
    ],
    ['no region', { ...OLD, CROSSFADE_STORE_OLD_MEDIA_REGION: ' ' }, 'CROSSFADE_STORE_OLD_MEDIA_REGION'],
    [
      'no endpoint',
      { ...OLD, CROSSFADE_STORE_OLD_MEDIA_ENDPOINT: 'old.example' },
      'CROSSFADE_STORE_OLD_MEDIA_ENDPOINT is no http',
    ],
    [
      'no location',
      { ...OLD, CROSSFADE_STORE_OLD_MEDIA: 'media' },
      'CROSSFADE_STORE_OLD_MEDIA is "media", which is no store',
    ],
    ['no bucket', { ...OLD, CROSSFADE_STORE_OLD_MEDIA: 's3://' }, 'CROSSFADE_STORE_OLD_MEDIA: "" is no name'],
    [
      'no address',
      { CROSSFADE_STORE_OLD_MEDIA: 'supabase://a' },
      'CROSSFADE_STORE_OLD_MEDIA_URL, CROSSFADE_STORE_OLD_MEDIA_KEY',
    ],
  ])('with %s is refused, and the variable is named', async (_name, env, says) => {
    const found = storeInVariables(env, 'old-media');
    await expect(found).rejects.toThrow(says);
    await expect(found).rejects.toThrow(UserError);
    await expect(found).rejects.not.toThrow('canary');
  });

  it('that no variable names is another matter', async () => {
    expect(await storeInVariables(OLD, 'old')).toBeNull();
    const wanted = [{ text: 'old/x', use: 'read', location: parseLocation('old/x', '/') }] as const;
    await expect(findStores(wanted, undefined, { ...OLD })).rejects.toThrow(
      /^there is no store "old": CROSSFADE_STORE_OLD is not set, and .* is not a valid config$/,
    );
  });
});

describe("a bucket by AWS's own variables and files", () => {
  let folder = '';
  let files: Record<string, string> = {};
  const credentials = `[default]
aws_access_key_id = default-id
aws_secret_access_key = default-secret
[old]
aws_access_key_id = old-id
aws_secret_access_key = old-secret
aws_session_token = old-token
`;
  const config = `[default]
region = us-east-2
[profile old]
region = eu-west-1
services = old
[services old]
s3 =
  endpoint_url = https://old.example
[profile role]
role_arn = arn:aws:iam::1:role/x
region = eu-west-1
[profile plain]
region = eu-west-1
endpoint_url = https://plain.example
`;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'crossfade-aws-'));
    files = { AWS_CONFIG_FILE: join(folder, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') };
    await writeFile(join(folder, 'config'), config);
    await writeFile(join(folder, 'credentials'), credentials);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const store = (env: Record<string, string>) => awsStore({ ...files, ...env }, 'media', 's3://media');
  const keys = { AWS_ACCESS_KEY_ID: 'env-id', AWS_SECRET_ACCESS_KEY: 'env-secret' };

  it('takes the keys, the session token, the region and the endpoint of a profile', async () => {
    expect(await store({ AWS_PROFILE: 'old' })).toEqual({
      kind: 's3',
      endpoint: 'https://old.example',
      region: 'eu-west-1',
      accessKeyId: 'old-id',
      secretAccessKey: 'old-secret',
      sessionToken: 'old-token',
      bucket: 'media',
    });
  });

  it('takes the default profile when nothing is set', async () => {
    expect(await store({})).toMatchObject({
      accessKeyId: 'default-id',
      region: 'us-east-2',
      endpoint: 'https://s3.us-east-2.amazonaws.com',
    });
  });

  it("prefers the environment's keys to a profile's, and mixes no session token of one with keys of the other", async () => {
    const mixed = await store({ ...keys, AWS_PROFILE: 'old' });
    expect(mixed).toMatchObject({ accessKeyId: 'env-id', secretAccessKey: 'env-secret', region: 'eu-west-1' });
    expect(mixed).not.toHaveProperty('sessionToken');
    expect(await store({ AWS_SESSION_TOKEN: 'env-token', AWS_PROFILE: 'old' })).toMatchObject({
      sessionToken: 'old-token',
    });
    expect(await store({ ...keys, AWS_REGION: 'auto', AWS_SESSION_TOKEN: 'env-token' })).toMatchObject({
      sessionToken: 'env-token',
    });
  });

  it.each([
    [{ AWS_ENDPOINT_URL_S3: 'https://s3.env', AWS_ENDPOINT_URL: 'https://all.env' }, 'https://s3.env'],
    [{ AWS_ENDPOINT_URL: 'https://all.env' }, 'https://all.env'],
    [{ AWS_ENDPOINT_URL_S3: '', AWS_ENDPOINT_URL: 'https://all.env' }, 'https://all.env'],
    [{ AWS_ENDPOINT_URL_S3: '' }, 'https://old.example'],
    [
      { AWS_ENDPOINT_URL_S3: 'https://s3.env', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' },
      'https://s3.eu-west-1.amazonaws.com',
    ],
  ])('of %j the endpoint is %s', async (env, endpoint) => {
    expect((await store({ AWS_PROFILE: 'old', ...env })).endpoint).toBe(endpoint);
  });

  it('counts what is set to nothing as unset', async () => {
    const env = { ...keys, AWS_REGION: '', AWS_DEFAULT_REGION: 'eu-central-1', AWS_PROFILE: '' };
    expect(await store(env)).toMatchObject({ region: 'eu-central-1' });
  });

  it.each([
    ['none', 'AWS_PROFILE names "none", which is in neither AWS file'],
    ['role', 'the profile "role" gets them by role_arn'],
    ['plain', 'the profile "plain" has none'],
  ])('a profile %s is refused with what to do', async (profile, says) => {
    await expect(store({ AWS_PROFILE: profile })).rejects.toThrow(says);
    await expect(store({ AWS_PROFILE: profile })).rejects.toThrow(UserError);
  });
});

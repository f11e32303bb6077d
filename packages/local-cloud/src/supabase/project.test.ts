import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from './temporary-project.ts';

let url: string;
let project: TemporaryProject;
let service: SupabaseClient;

const s3 = (secretAccessKey = 'secret', region = 'eu-west-1') =>
  new S3Client({
    endpoint: `${url}/storage/v1/s3`,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: 'key', secretAccessKey },
    maxAttempts: 1,
    requestChecksumCalculation: 'WHEN_REQUIRED',
  });

beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.52');
  ({ url } = project);
  service = createClient(url, project.serviceKey);
  await project.createUser({ email: 'ada@example.com', password: 'one', tier: 'pro' });
  await project.createUser({ email: 'bob@example.com', password: 'two', tier: 'free' });
});
afterAll(async () => {
  await project.close();
});

async function signIn(email: string, password: string) {
  const client = createClient(url, project.anonKey, { auth: { persistSession: false } });
  const { data, error } = await client.auth.signInWithPassword({ email, password });
  if (error !== null) throw error;
  return { client, id: data.user.id };
}

describe("supabase-js, the vendor's own client", () => {
  it('signs in with the right password only', async () => {
    expect((await signIn('ada@example.com', 'one')).id).toMatch(/^[0-9a-f-]{36}$/);
    await expect(signIn('ada@example.com', 'two')).rejects.toThrow('Invalid login credentials');
  });
  it('signs out: of all sessions, of its own, or of all others; an access token stays valid until it expires', async () => {
    const clients = () => Promise.all([signIn('ada@example.com', 'one'), signIn('ada@example.com', 'one')]);
    const stranger = (await signIn('bob@example.com', 'two')).client;
    for (const [scope, ownLives, otherLives] of [
      ['global', false, false],
      ['local', false, true],
      ['others', true, false],
    ] as const) {
      const [{ client: own }, { client: other }] = await clients();
      // A session that was refreshed is still the same.
      await own.auth.refreshSession();
      const [before, beside] = await Promise.all([own.auth.getSession(), other.auth.getSession()]);
      expect((await own.auth.signOut({ scope })).error).toBeNull();
      const lives = async (refresh_token = ''): Promise<boolean> => {
        const fresh = createClient(url, project.anonKey, { auth: { persistSession: false } });
        const { error } = await fresh.auth.refreshSession({ refresh_token });
        if (error !== null) expect(error.code).toBe('refresh_token_not_found');
        return error === null;
      };
      expect([
        scope,
        await lives(before.data.session?.refresh_token),
        await lives(beside.data.session?.refresh_token),
      ]).toEqual([scope, ownLives, otherLives]);
      expect((await service.auth.getUser(before.data.session?.access_token)).error).toBeNull();
    }
    expect((await stranger.auth.refreshSession()).error).toBeNull();
    expect(
      (await fetch(`${url}/auth/v1/logout`, { method: 'POST', headers: { apikey: project.anonKey } })).status,
    ).toBe(401);
  });
  it('uploads, lists, downloads and removes', async () => {
    const { client, id } = await signIn('ada@example.com', 'one');
    const name = `users/${id}/uploads/a tone.wav`;
    expect(
      (await client.storage.from('media').upload(name, Buffer.from('sound'), { contentType: 'audio/wav' })).error,
    ).toBeNull();
    expect(
      (await client.storage.from('media').upload(name, Buffer.from('again'), { contentType: 'audio/wav' })).error
        ?.message,
    ).toContain('already exists');
    const { data } = await service.storage.from('media').list(`users/${id}/uploads`);
    expect(data?.map((one) => one.name)).toEqual(['a tone.wav']);
    expect(await (await client.storage.from('media').download(name)).data?.text()).toBe('sound');
    expect(
      await (
        await fetch(client.storage.from('media').getPublicUrl(name).data.publicUrl, { headers: { range: 'bytes=1-2' } })
      ).text(),
    ).toBe('ou');
    expect((await client.storage.from('media').remove([name])).data?.length).toBe(1);
  });
  it("does not let a user write below another's name, nor see another's rows", async () => {
    const ada = await signIn('ada@example.com', 'one');
    const bob = await signIn('bob@example.com', 'two');
    expect(
      (await bob.client.storage.from('media').upload(`users/${ada.id}/x.wav`, Buffer.from('x'))).error,
    ).not.toBeNull();
    expect((await ada.client.from('uploads').insert({ user_id: ada.id, file_url: 'u', title: 't' })).error).toBeNull();
    expect((await bob.client.from('uploads').insert({ user_id: ada.id, file_url: 'u', title: 't' })).error?.code).toBe(
      '42501',
    );
    expect((await ada.client.from('uploads').select('title')).data).toEqual([{ title: 't' }]);
    expect((await bob.client.from('uploads').select('title')).data).toEqual([]);
  });
});

describe('the S3 protocol', () => {
  it('keeps bytes, type, cache header and metadata, and pages its listing in byte order', async () => {
    const client = s3();
    for (const key of ['b/2', 'a', 'b/1', 'Z']) {
      await client.send(
        new PutObjectCommand({
          Bucket: 'media',
          Key: `s3/${key}`,
          Body: key,
          ContentType: 'audio/mpeg',
          CacheControl: 'max-age=7',
          Metadata: { mood: 'blue' },
        }),
      );
    }
    const head = await client.send(new HeadObjectCommand({ Bucket: 'media', Key: 's3/a' }));
    expect([head.ContentType, head.CacheControl, head.Metadata]).toEqual(['audio/mpeg', 'max-age=7', { mood: 'blue' }]);
    const first = await client.send(new ListObjectsV2Command({ Bucket: 'media', Prefix: 's3/', MaxKeys: 3 }));
    const second = await client.send(
      new ListObjectsV2Command({
        Bucket: 'media',
        Prefix: 's3/',
        ContinuationToken: first.NextContinuationToken ?? '',
      }),
    );
    expect([...(first.Contents ?? []), ...(second.Contents ?? [])].map((one) => one.Key)).toEqual([
      's3/Z',
      's3/a',
      's3/b/1',
      's3/b/2',
    ]);
    const folders = await client.send(new ListObjectsV2Command({ Bucket: 'media', Prefix: 's3/', Delimiter: '/' }));
    expect(folders.CommonPrefixes?.map((one) => one.Prefix)).toEqual(['s3/b/']);
    await client.send(new DeleteObjectCommand({ Bucket: 'media', Key: 's3/a' }));
    await expect(client.send(new GetObjectCommand({ Bucket: 'media', Key: 's3/a' }))).rejects.toThrow('does not exist');
  });
  it('copies an object onto itself with another description, and not when it is another version', async () => {
    const client = s3();
    const target = { Bucket: 'media', Key: 's3/copied' };
    const { ETag = '' } = await client.send(
      new PutObjectCommand({ ...target, Body: 'bytes', ContentType: 'audio/wav', CacheControl: 'max-age=1' }),
    );
    const copy = { ...target, CopySource: 'media/s3/copied', MetadataDirective: 'REPLACE' as const };
    const meta = { ContentType: 'audio/mpeg', CacheControl: 'max-age=2', Metadata: { artist: 'ada' } };
    await expect(client.send(new CopyObjectCommand({ ...copy, CopySourceIfMatch: '"other"' }))).rejects.toThrow(
      'preconditions',
    );
    await client.send(new CopyObjectCommand({ ...copy, ...meta, CopySourceIfMatch: ETag }));
    const found = await client.send(new GetObjectCommand(target));
    expect(found).toMatchObject(meta);
    expect(await found.Body?.transformToString()).toBe('bytes');
    await client.send(new DeleteObjectCommand(target));
  });
  it('joins a multipart upload and names the parts in its ETag', async () => {
    const client = s3();
    const target = { Bucket: 'media', Key: 'large' };
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(target));
    const part = Buffer.alloc(5 * 1024 * 1024, 1);
    const parts = [];
    for (const PartNumber of [1, 2]) {
      const { ETag } = await client.send(
        new UploadPartCommand({ ...target, UploadId: UploadId ?? '', PartNumber, Body: part }),
      );
      parts.push({ PartNumber, ETag: ETag ?? '' });
    }
    const { ETag } = await client.send(
      new CompleteMultipartUploadCommand({ ...target, UploadId: UploadId ?? '', MultipartUpload: { Parts: parts } }),
    );
    expect(ETag).toMatch(/-2"$/);
    expect((await client.send(new HeadObjectCommand(target))).ContentLength).toBe(part.byteLength * 2);
  });
  it('refuses a wrong secret and a wrong region', async () => {
    await expect(s3('wrong').send(new ListObjectsV2Command({ Bucket: 'media' }))).rejects.toThrow(/authenticated/);
    await expect(s3('secret', 'us-east-1').send(new ListObjectsV2Command({ Bucket: 'media' }))).rejects.toThrow(
      /authenticated/,
    );
    await expect(s3('secret', 'auto').send(new ListObjectsV2Command({ Bucket: 'media' }))).resolves.toBeDefined();
  });
});

it('answers as the vendor does: 400 with the status in the body, a private bucket as missing, an unknown route as 404', async () => {
  const missing = await fetch(`${url}/storage/v1/object/public/media/nothing`);
  expect([missing.status, await missing.json()]).toMatchObject([400, { statusCode: '404', code: 'NoSuchKey' }]);
  await service.storage.createBucket('closed', { public: false });
  expect((await fetch(`${url}/storage/v1/object/public/closed/x`)).status).toBe(400);
  const odd = await fetch(`${url}/storage/v1/object/media/${encodeURIComponent('naïve#.wav')}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${project.serviceKey}` },
    body: 'x',
  });
  expect(await odd.json()).toMatchObject({ code: 'InvalidKey' });
  expect((await fetch(`${url}/nowhere`)).status).toBe(404);
});

it('counts storage requests for whoever holds the management token', async () => {
  const since = Date.now() - 1000;
  await fetch(`${url}/storage/v1/object/public/media/nothing`);
  const counts = `${url}/v1/projects/abcdefghijklmnopqrst/analytics/endpoints/usage.api-counts?iso_timestamp_start=${new Date(since).toISOString()}&iso_timestamp_end=${new Date(Date.now() + 2000).toISOString()}`;
  expect((await fetch(counts)).status).toBe(401);
  const { result } = (await (await fetch(counts, { headers: { authorization: 'Bearer manage' } })).json()) as {
    result: { total_storage_requests: number }[];
  };
  expect(result.reduce((sum, one) => sum + one.total_storage_requests, 0)).toBeGreaterThan(0);
});

it('tells by its log who used Storage, to whoever holds the management token', async () => {
  const [since, sql] = [
    Date.now(),
    "select headers.user_agent as agent, count(*) as requests from edge_logs where request.path like '/storage/v1/%' group by agent",
  ];
  await fetch(`${url}/storage/v1/object/public/media/nothing`, { headers: { 'user-agent': 'old-app/2' } });
  const ask = async (asked: string): Promise<unknown> => {
    const query = new URLSearchParams({ sql: asked, iso_timestamp_start: new Date(since).toISOString() });
    const log = `${url}/v1/projects/abcdefghijklmnopqrst/analytics/endpoints/logs.all?${query}`;
    return (await fetch(log, { headers: { authorization: 'Bearer manage' } })).json();
  };
  expect(await ask(sql)).toEqual({ result: [{ agent: 'old-app/2', requests: 1 }], error: null });
  expect(await ask('select 1')).toMatchObject({ result: null });
});

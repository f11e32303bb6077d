// What Supabase Storage's REST API does, as seen on supabase/storage 1.11.2 unless a line says otherwise.
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from './temporary-project.ts';

let project: TemporaryProject;
let service: SupabaseClient;
let overloaded = false;
const LIMIT = 100_000;

beforeAll(async () => {
  const options = { fileSizeLimit: LIMIT, isOverloaded: () => overloaded };
  project = await startTemporaryProject('127.0.0.59', 'secret', options);
  service = createClient(project.url, project.serviceKey);
  for (const email of ['ada', 'bob']) await project.createUser({ email, password: 'one', tier: 'pro' });
});
afterAll(() => project.close());

async function as(email: string) {
  const client = createClient(project.url, project.anonKey, { auth: { persistSession: false } });
  const { data, error } = await client.auth.signInWithPassword({ email, password: 'one' });
  if (error !== null) throw error;
  return { client, id: data.user.id };
}
async function sql(text: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: project.database.url(project.databaseName) });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, values)).rows;
  } finally {
    await client.end();
  }
}
const media = () => service.storage.from('media');
const put = (name: string, body: string | Buffer = 'x', headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${project.url}/storage/v1/object/media/${name}`, {
    method: 'POST',
    headers: { ...project.service, 'x-upsert': 'true', ...headers },
    body: typeof body === 'string' ? body : new Uint8Array(body),
  });
const info = async (name: string): Promise<Record<string, unknown>> =>
  (await (
    await fetch(`${project.url}/storage/v1/object/info/media/${name}`, { headers: project.service })
  ).json()) as Record<string, unknown>;

describe('what is refused', () => {
  it("a body above the project's limit: HTTP 400 with 413 in the body, and the connection is closed", async () => {
    const answer = await put('large', Buffer.alloc(LIMIT + 1));
    expect([answer.status, answer.headers.get('connection')]).toEqual([400, 'close']);
    expect(await answer.json()).toMatchObject({ statusCode: '413', code: 'EntityTooLarge' });
    expect((await media().exists('large')).data).toBe(false);
  });
  it("a body above the bucket's limit, and a type that the bucket does not take", async () => {
    const options = { public: false, fileSizeLimit: '1KB', allowedMimeTypes: ['audio/*'] };
    expect((await service.storage.createBucket('narrow', options)).error).toBeNull();
    expect((await service.storage.getBucket('narrow')).data).toMatchObject({
      file_size_limit: 1000,
      allowed_mime_types: ['audio/*'],
    });
    const narrow = service.storage.from('narrow');
    const upload = (name: string, bytes: number, contentType: string) =>
      narrow.upload(name, Buffer.alloc(bytes), { contentType });
    expect((await upload('a', 1000, 'audio/wav')).error).toBeNull();
    expect((await upload('b', 1001, 'audio/wav')).error).toMatchObject({ statusCode: '413' });
    expect((await upload('c', 1, 'image/png')).error).toMatchObject({ statusCode: '415' });
    expect((await narrow.list()).data?.map((one) => one.name)).toEqual(['a']);
    await service.storage.updateBucket('narrow', { public: false, fileSizeLimit: null, allowedMimeTypes: null });
    expect((await upload('b', 1001, 'image/png')).error).toBeNull();
  });
  it("a bucket's limit above the project's", async () => {
    const { error } = await service.storage.createBucket('wide', { public: false, fileSizeLimit: LIMIT + 1 });
    expect(error).toMatchObject({ statusCode: '413' });
  });
  it.each(['ü', '#', '[', ']', '%', '~', 'a'.repeat(1025)])('a key with %s', async (name) => {
    expect(await (await put(encodeURIComponent(name))).json()).toMatchObject({ code: 'InvalidKey' });
  });
  it('everything while the database has no connection left: 544, as supabase/storage#362 made it', async () => {
    overloaded = true;
    try {
      const answer = await put('a');
      expect([answer.status, await answer.json()]).toMatchObject([544, { code: 'DatabaseTimeout' }]);
      const s3 = await fetch(`${project.s3.endpoint}/media/a`);
      expect([s3.status, await s3.text()]).toEqual([544, expect.stringContaining('<Code>DatabaseTimeout</Code>')]);
    } finally {
      overloaded = false;
    }
  });
  it('an image to be rendered, by name: it is not rehearsed', async () => {
    const path = 'render/image/public/media/a.png';
    const answer = await fetch(`${project.url}/storage/v1/${path}`, { method: 'POST', headers: project.service });
    expect([answer.status, await answer.json()]).toMatchObject([501, { message: expect.stringContaining(path) }]);
  });
  it('a listing that asks for what the listing does not do, by name', async () => {
    const answer = await fetch(`${project.url}/storage/v1/object/list-v2/media`, {
      method: 'POST',
      headers: { ...project.service, 'content-type': 'application/json' },
      body: JSON.stringify({ sortBy: { column: 'name', order: 'asc' } }),
    });
    expect(await answer.json()).toMatchObject({ statusCode: '400', message: expect.stringContaining('sortBy') });
  });
});

describe('what is kept', () => {
  it('an upload answers with key and id, and no ETag', async () => {
    const answer = await put('plain');
    expect(answer.headers.get('etag')).toBeNull();
    expect(await answer.json()).toMatchObject({ Key: 'media/plain', Id: (await info('plain'))['id'] });
  });
  it('custom metadata of the header x-metadata and of the form, told by info alone', async () => {
    const metadata = { title: 'Beyoncé', take: 2, tags: ['a'], plain: 'yes' };
    await media().upload('header', Buffer.from('x'), { metadata, upsert: true });
    await media().upload('form', new Blob(['x']), { metadata, upsert: true });
    for (const name of ['header', 'form']) {
      expect((await media().info(name)).data?.metadata).toEqual(metadata);
      const read = await fetch(`${project.url}/storage/v1/object/media/${name}`, { headers: project.service });
      expect([...read.headers.keys()].filter((one) => one.startsWith('x-amz-'))).toEqual([]);
    }
  });
  it("the owner of a user's object, and none for the service key", async () => {
    const ada = await as('ada');
    const name = `users/${ada.id}/own`;
    expect((await ada.client.storage.from('media').upload(name, Buffer.from('x'))).error).toBeNull();
    await put('unowned');
    expect(
      await sql(`select owner, owner_id from storage.objects where name = any($1) order by name`, [[name, 'unowned']]),
    ).toEqual([
      { owner: null, owner_id: null },
      { owner: ada.id, owner_id: ada.id },
    ]);
  });
  it('a chunked upload without a length, and the Cache-Control that was sent', async () => {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(new Uint8Array(10));
        controller.close();
      },
    });
    const headers = { ...project.service, 'cache-control': 'public,  max-age=5' };
    const init = { method: 'POST', headers, body, duplex: 'half' } as RequestInit;
    expect((await fetch(`${project.url}/storage/v1/object/media/chunked`, init)).status).toBe(200);
    expect(await info('chunked')).toMatchObject({ size: 10, cache_control: 'public,  max-age=5' });
  });
  it('nothing is sent to who has it: If-None-Match, If-Modified-Since', async () => {
    await put('unchanged');
    const url = `${project.url}/storage/v1/object/public/media/unchanged`;
    const { headers } = await fetch(url);
    const [etag, modified] = [headers.get('etag') ?? '', headers.get('last-modified') ?? ''];
    expect((await fetch(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await fetch(url, { headers: { 'if-modified-since': modified } })).status).toBe(304);
    const before = new Date(Date.parse(modified) - 1000).toUTCString();
    expect((await fetch(url, { headers: { 'if-modified-since': before } })).status).toBe(200);
  });
});

describe('what Row Level Security leaves of a listing', () => {
  it('a bucket that is not there is 200 and empty; only GET bucket tells', async () => {
    expect(await service.storage.from('nothing').list()).toMatchObject({ data: [], error: null });
    expect((await service.storage.from('nothing').listV2()).data).toMatchObject({ objects: [], hasNext: false });
    expect((await service.storage.getBucket('nothing')).error).toMatchObject({ statusCode: '404' });
  });
  it('a user sees own rows, and the anon key what a policy shows it: without an error', async () => {
    const [ada, bob] = [await as('ada'), await as('bob')];
    await put(`users/${ada.id}/mine`);
    await put(`users/${bob.id}/mine`);
    await put('shared/one');
    const seen = async (client: SupabaseClient) => {
      const { data, error } = await client.storage.from('media').listV2({ limit: 1000 });
      expect(error).toBeNull();
      return data?.objects.map((one) => one.name) ?? [];
    };
    expect(await seen(bob.client)).toEqual([`users/${bob.id}/mine`]);
    const anon = createClient(project.url, project.anonKey);
    expect(await seen(anon)).toEqual([]);
    await sql(`create policy "some" on storage.objects for select to anon using (starts_with(name, 'shared/'))`);
    expect(await seen(anon)).toEqual(['shared/one']);
    expect((await anon.storage.listBuckets()).data).toEqual([]);
    expect((await anon.storage.from('media').upload('x', Buffer.from('x'))).error).toMatchObject({ statusCode: '403' });
    expect((await bob.client.storage.from('media').remove([`users/${ada.id}/mine`])).data).toEqual([]);
  });
});

describe("a folder's listing", () => {
  it('is searched by the beginning of a name in any case, sorted, and told in pages; folders come first', async () => {
    for (const name of ['folder/Beta', 'folder/alpha', 'folder/beta two', 'folder/sub/deep', 'folder/zoo/deep'])
      await put(encodeURIComponent(name));
    const names = async (options: Parameters<ReturnType<typeof media>['list']>[1]) =>
      (await media().list('folder', options)).data?.map((one) => one.name);
    expect(await names({})).toEqual(['sub', 'zoo', 'Beta', 'alpha', 'beta two']);
    expect(await names({ search: 'be' })).toEqual(['Beta', 'beta two']);
    expect(await names({ sortBy: { column: 'name', order: 'desc' } })).toEqual([
      'zoo',
      'sub',
      'beta two',
      'alpha',
      'Beta',
    ]);
    expect(await names({ sortBy: { column: 'created_at', order: 'desc' } })).toEqual([
      'zoo',
      'sub',
      'beta two',
      'alpha',
      'Beta',
    ]);
    expect(await names({ limit: 2, offset: 1 })).toEqual(['zoo', 'Beta']);
  });
  it('by list-v2 tells folders apart when a delimiter is asked for, each once over all pages', async () => {
    for (const name of ['v2/a/1', 'v2/a/2', 'v2/b', 'v2/c/1', 'v2/d']) await put(encodeURIComponent(name));
    const told: (string | undefined)[] = [];
    for (let cursor: string | undefined, more = true; more;) {
      const asked = { prefix: 'v2/', limit: 1, with_delimiter: true, ...(cursor === undefined ? {} : { cursor }) };
      const { data } = await media().listV2(asked);
      told.push(...(data?.folders ?? []).map((one) => one.name), ...(data?.objects ?? []).map((one) => one.name));
      cursor = data?.nextCursor;
      more = data?.hasNext === true;
    }
    expect(told).toEqual(['v2/a/', 'v2/b', 'v2/c/', 'v2/d']);
  });
});

describe('what supabase-js asks for besides', () => {
  it('copies with metadata, and moves the same object', async () => {
    await media().upload('from', Buffer.from('bytes'), { metadata: { mood: 'blue' }, contentType: 'audio/wav' });
    expect((await media().copy('from', 'copied')).data?.path).toBe('media/copied');
    expect(await info('copied')).toMatchObject({ content_type: 'audio/wav', metadata: { mood: 'blue' }, size: 5 });
    expect((await media().copy('from', 'copied')).error).toMatchObject({ statusCode: '409' });
    const before = await info('from');
    expect((await media().move('from', 'moved')).error).toBeNull();
    expect((await info('moved'))['id']).toBe(before['id']);
    expect(await (await media().download('moved')).data?.text()).toBe('bytes');
    expect((await media().move('from', 'again')).error).toMatchObject({ statusCode: '404' });
  });
  it('signs many paths, each by itself, and an upload for who may write it', async () => {
    await put('signed');
    const { data } = await media().createSignedUrls(['signed', 'nothing'], 60);
    expect(data?.map((one) => one.error === null)).toEqual([true, false]);
    expect(await (await fetch(data?.[0]?.signedUrl ?? '')).text()).toBe('x');
    const upload = await media().createSignedUploadUrl('through a link');
    const { path = '', token = '' } = upload.data ?? {};
    const nobody = createClient(project.url, project.anonKey).storage.from('media');
    expect((await nobody.uploadToSignedUrl(path, token, Buffer.from('linked'))).error).toBeNull();
    expect(await (await media().download('through a link')).data?.text()).toBe('linked');
    expect((await nobody.uploadToSignedUrl('another', token, Buffer.from('x'))).error).not.toBeNull();
    expect((await nobody.createSignedUploadUrl('mine')).error).toMatchObject({ statusCode: '403' });
  });
  it('removes more than 1,000 at once, and tells which were there', async () => {
    const names = Array.from({ length: 1200 }, (_, index) => `gone/${index}`);
    await put(encodeURIComponent('gone/7'));
    expect((await media().remove(names)).data?.map((one) => one.name)).toEqual(['gone/7']);
  });
});

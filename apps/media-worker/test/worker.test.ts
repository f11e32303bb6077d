import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deployWorker, TEST_SECRET, type DeployedWorker } from './deployed-worker.ts';

const tone = (size: number, seed = 7): Uint8Array =>
  Uint8Array.from({ length: size }, (_, index) => (index * seed) % 251);
let worker: DeployedWorker;

beforeAll(async () => {
  worker = await deployWorker({ legacy: true });
  await worker.query(
    `insert into library_tracks (title, file_key, is_pro_only) values
     ('Free', 'library/originals/free.wav', false), ('Pro', 'library/originals/pro.wav', true)`,
  );
  await worker.putR2('library/originals/free.wav', tone(1000));
  await worker.putR2('library/originals/pro.wav', tone(1000));
});
afterAll(() => worker.close());

async function refused(response: Response): Promise<string> {
  const { error } = (await response.json()) as { error: { code: string } };
  return `${response.status} ${error.code}`;
}
const json = (body: unknown) => ({
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify(body),
});

describe('the media Worker', () => {
  it('says that it is well, and which version it is', async () => {
    const response = await worker.ask('/health');
    expect(await response.json()).toMatchObject({
      status: 'ok',
      build: 'r2',
      version: { id: 'version-r2' },
      dependencies: { store: true, database: true },
    });
    expect(response.headers.get('x-audafact-version')).toBe('version-r2');
  });

  it('takes an upload, notes it, gives the same bytes back, and forgets it when it is deleted', async () => {
    const bytes = tone(100_000);
    const { pro } = worker.users;
    const key = await worker.upload(pro, bytes);
    expect(key).toMatch(new RegExp(`^users/${pro}/uploads/[0-9a-f-]{36}-a-song\\.wav$`));
    expect(await worker.inR2(key)).toEqual(bytes);
    const { uploads } = (await (await worker.ask('/api/uploads', { as: pro })).json()) as {
      uploads: { key: string }[];
    };
    expect(uploads.map((one) => one.key)).toContain(key);
    const url = await worker.sign(pro, key);
    expect(new Uint8Array(await (await worker.ask(url)).arrayBuffer())).toEqual(bytes);

    expect(await (await worker.ask('/api/delete-file', { as: pro, ...json({ key }) })).json()).toEqual({
      deleted: true,
      key,
    });
    expect(await worker.inR2(key)).toBeNull();
    expect(await refused(await worker.ask(url))).toBe('404 NOT_FOUND');
    expect(await worker.query('select 1 from uploads where file_key = $1', [key])).toEqual([]);
  });

  it('serves a file that is read again and again as it is now: whole, in ranges, overwritten, deleted', async () => {
    const { pro } = worker.users;
    const before = tone(5000);
    const key = await worker.upload(pro, before);
    const url = await worker.sign(pro, key);
    const read = async (range?: string): Promise<Uint8Array> =>
      new Uint8Array(await (await worker.ask(url, range === undefined ? {} : { headers: { range } })).arrayBuffer());
    for (let reads = 0; reads < 4; reads++) expect(await read()).toEqual(before);
    expect(await read('bytes=10-19')).toEqual(before.subarray(10, 20));
    expect(await read('bytes=-7')).toEqual(before.subarray(-7));
    expect(Buffer.from(await read('bytes=0-1,4990-4999')).toString('latin1')).toContain(
      'content-range: bytes 4990-4999/5000',
    );
    expect((await worker.ask(url, { headers: { range: 'bytes=5000-' } })).status).toBe(416);
    const after = tone(4000, 11);
    await worker.putR2(key, after);
    expect(await read()).toEqual(after);
    expect(await read('bytes=10-19')).toEqual(after.subarray(10, 20));
    await worker.ask('/api/delete-file', { as: pro, ...json({ key }) });
    expect(await refused(await worker.ask(url))).toBe('404 NOT_FOUND');
  });

  it('takes a file without a byte', async () => {
    const key = await worker.upload(worker.users.pro, new Uint8Array());
    const response = await worker.ask(await worker.sign(worker.users.pro, key));
    expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 0]);
  });

  it.each([
    ['a type that is not audio', { filename: 'x.exe', contentType: 'audio/wav', sizeBytes: 1 }, '400 TYPE_NOT_ALLOWED'],
    [
      'a type that does not fit the name',
      { filename: 'x.wav', contentType: 'audio/mpeg', sizeBytes: 1 },
      '400 TYPE_NOT_ALLOWED',
    ],
    ['a name with a slash', { filename: '../x.wav', contentType: 'audio/wav', sizeBytes: 1 }, '400 FILENAME_INVALID'],
    [
      'more than the tier allows',
      { filename: 'x.wav', contentType: 'audio/wav', sizeBytes: 26_214_401 },
      '413 FILE_TOO_LARGE',
    ],
    ['a size below nothing', { filename: 'x.wav', contentType: 'audio/wav', sizeBytes: -1 }, '400 BODY_INVALID'],
    ['no name', { contentType: 'audio/wav', sizeBytes: 1 }, '400 BODY_INVALID'],
  ])('does not sign an upload of %s', async (_name, body, expected) => {
    expect(await refused(await worker.ask('/api/sign-upload', { as: worker.users.free, ...json(body) }))).toBe(
      expected,
    );
  });

  it('gives a track for paying users to them, and to nobody else', async () => {
    const path = '/api/sign-file?key=library/originals/pro.wav';
    expect(await refused(await worker.ask(path, { as: worker.users.free }))).toBe('403 PRO_ONLY');
    expect((await worker.ask(path, { as: worker.users.pro })).status).toBe(200);
    expect((await worker.ask('/api/stream?key=library/originals/free.wav', { as: worker.users.free })).status).toBe(
      200,
    );
  });

  it.each([
    ['bytes=0-99', 206, 'bytes 0-99/1000', tone(1000).slice(0, 100)],
    ['bytes=990-', 206, 'bytes 990-999/1000', tone(1000).slice(990)],
    ['bytes=-10', 206, 'bytes 990-999/1000', tone(1000).slice(990)],
    ['bytes=1000-', 416, 'bytes */1000', null],
    ['bytes=9-3', 200, null, tone(1000)],
    ['lines=1-2', 200, null, tone(1000)],
  ])('answers the range %s with %i', async (range, status, contentRange, bytes) => {
    const url = await worker.sign(worker.users.free, 'library/originals/free.wav');
    const response = await worker.ask(url, { headers: { range } });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-range')).toBe(contentRange);
    if (bytes !== null) expect(new Uint8Array(await response.arrayBuffer())).toEqual(bytes);
  });

  it('answers a condition that holds without the bytes, and HEAD without a body', async () => {
    const url = await worker.sign(worker.users.free, 'library/originals/free.wav');
    const head = await worker.ask(url, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '1000']);
    const etag = head.headers.get('etag') ?? '';
    expect((await worker.ask(url, { headers: { 'if-none-match': etag } })).status).toBe(304);
    expect((await worker.ask(url, { headers: { 'if-match': '"another"' } })).status).toBe(412);
    const stale = await worker.ask(url, { headers: { range: 'bytes=0-9', 'if-range': '"another"' } });
    expect(stale.status).toBe(200);
  });

  it('lets browsers of its own front end in, and no other', async () => {
    const allowed = async (origin: string): Promise<unknown> => {
      const headers = { origin, 'access-control-request-method': 'GET' };
      const answer = await request(new URL('/api/library', worker.address), { method: 'OPTIONS', headers });
      return answer.headers['access-control-allow-origin'];
    };
    expect(await allowed('https://studio.example')).toBe('https://studio.example');
    expect(await allowed('https://evil.example')).toBeUndefined();
  });

  it('tells each reader of a kept track their own origin, and no other', async () => {
    const url = await worker.sign(worker.users.free, 'library/originals/free.wav');
    const { pathname, search } = new URL(url);
    const originOf = async (origin?: string): Promise<unknown[]> => {
      const headers = origin === undefined ? {} : { origin };
      const answer = await request(new URL(`${pathname}${search}`, worker.address), { headers });
      await answer.body.dump();
      return ['access-control-allow-origin', 'x-audafact-cache'].map((name) => answer.headers[name] ?? null);
    };
    await originOf('https://studio.example');
    await expect.poll(() => originOf()).toEqual([null, 'HIT']);
    expect(await originOf('https://studio.example')).toEqual(['https://studio.example', 'HIT']);
    expect(await originOf('https://evil.example')).toEqual([null, 'HIT']);
  });

  it('refuses a link that it followed before, once it has expired', async () => {
    const key = `users/${worker.users.pro}/uploads/short.wav`;
    await worker.putR2(key, tone(10));
    const headers = { 'x-test-secret': TEST_SECRET, 'x-test-link-seconds': '1' };
    const signed = await worker.ask(`/api/sign-file?key=${key}`, { as: worker.users.pro, headers });
    const { url } = (await signed.json()) as { url: string };
    expect((await worker.ask(url)).status).toBe(200);
    await expect.poll(async () => (await worker.ask(url)).status, { timeout: 5000 }).toBe(403);
  });

  it('counts every request, however many come at once', async () => {
    const numberOf = ([row]: readonly Record<string, unknown>[]): number => Number(row?.['n'] ?? 0);
    const counted = () =>
      worker.observed(
        `SELECT SUM(double2) AS n FROM media WHERE blob1 = 'request' AND blob2 = '/media/*' AND blob3 = '404'`,
      );
    const url = await worker.sign(worker.users.pro, `users/${worker.users.pro}/uploads/nowhere.wav`);
    const before = numberOf(counted());
    const answers = await Promise.all(Array.from({ length: 40 }, () => worker.ask(url)));
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 40 }, () => 404));
    await expect.poll(() => numberOf(counted())).toBe(before + 40);
  });

  it('takes a front-end timing, and none that is too large or no object', async () => {
    expect((await worker.ask('/rum', json({ name: 'LCP', value: 900 }))).status).toBe(204);
    expect((await worker.ask('/rum', json({ name: 'upload', value: 1200, ok: false }))).status).toBe(204);
    expect(await refused(await worker.ask('/rum', json({ name: 'who', value: 1 })))).toBe('400 BODY_INVALID');
    expect(await refused(await worker.ask('/rum', json({ name: 'LCP', value: -1 })))).toBe('400 BODY_INVALID');
    await vi.waitFor(() =>
      expect(
        worker.observed(
          `SELECT blob2 AS name, blob3 AS status, double1 AS value FROM media WHERE blob1 = 'rum' ORDER BY value`,
        ),
      ).toEqual([
        { name: 'LCP', status: 'ok', value: 900 },
        { name: 'upload', status: 'failed', value: 1200 },
      ]),
    );
    expect(await refused(await worker.ask('/rum', json([1])))).toBe('400 BODY_INVALID');
  });

  it('knows no other route', async () => {
    expect(await refused(await worker.ask('/wp-admin'))).toBe('404 ROUTE_NOT_FOUND');
  });
});

describe('while the migration lasts', () => {
  it('serves what R2 lacks from legacy, and carries it over', async () => {
    const key = `users/${worker.users.pro}/uploads/old.wav`;
    await worker.putLegacy(key, tone(5000));
    const url = await worker.sign(worker.users.pro, key);
    const first = await worker.ask(url);
    expect(first.headers.get('x-audafact-source')).toBe('legacy');
    expect(new Uint8Array(await first.arrayBuffer())).toEqual(tone(5000));
    await expect.poll(() => worker.inR2(key)).toEqual(tone(5000));
    expect((await worker.ask(url)).headers.get('x-audafact-source')).toBe('r2');
  });

  it('deletes on both sides, so that nothing comes back from legacy', async () => {
    const key = `users/${worker.users.pro}/uploads/gone.wav`;
    await worker.putLegacy(key, tone(100));
    await worker.putR2(key, tone(100));
    expect((await worker.ask('/api/delete-file', { as: worker.users.pro, ...json({ key }) })).status).toBe(200);
    expect([await worker.inR2(key), await worker.inLegacy(key)]).toEqual([null, null]);
  });

  it('has a bypass that stores in both, notes the old URL, and still finds what only R2 has', async () => {
    const { pro } = worker.users;
    const key = await worker.upload(pro, tone(300), 'bypass');
    expect(await worker.inLegacy(key)).toEqual(tone(300));
    expect(await worker.inR2(key)).toEqual(tone(300));
    expect(worker.events.filter((event) => event['key'] === key)).toMatchObject([{ type: 'put' }]);
    expect(await worker.query('select file_url from uploads where file_key = $1', [key])).toEqual([
      { file_url: `https://media.example/storage/v1/object/public/media/${key}` },
    ]);
    const onlyR2 = await worker.upload(pro, tone(400));
    const answer = await worker.ask(await worker.sign(pro, onlyR2), { build: 'bypass' });
    expect(new Uint8Array(await answer.arrayBuffer())).toEqual(tone(400));
    expect(await (await worker.ask('/health', { build: 'bypass' })).json()).toMatchObject({ build: 'bypass' });
  });

  it('has a bypass that serves what was written over a file since the switch, and never a version older than its own', async () => {
    const { pro } = worker.users;
    const key = await worker.upload(pro, tone(300), 'bypass');
    await worker.putR2(key, tone(300, 5));
    const written = (ago: string): Promise<unknown> =>
      worker.query(`update storage.objects set updated_at = now() - $2::interval where name = $1`, [key, ago]);
    const read = async (): Promise<Uint8Array> => {
      const answer = await worker.ask(await worker.sign(pro, key), { build: 'bypass' });
      return new Uint8Array(await answer.arrayBuffer());
    };
    await written('1 minute');
    expect(await read()).toEqual(tone(300, 5));
    await written('-1 minute');
    expect(await read()).toEqual(tone(300));
  });
});

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deployWorker, type DeployedWorker } from './deployed-worker.ts';

const MEBIBYTE = 1024 * 1024;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const noise = (size: number): Uint8Array => {
  const bytes = new Uint8Array(size);
  for (let index = 0; index < size; index += 4096) bytes[index] = index / 4096;
  return bytes;
};
let worker: DeployedWorker;
let user = '';

beforeAll(async () => {
  worker = await deployWorker({ legacy: true });
  user = worker.users.enterprise;
});
afterAll(() => worker.close());

const post = (path: string, body: unknown, as = user, build: 'r2' | 'bypass' = 'r2'): Promise<Response> =>
  worker.ask(path, {
    method: 'POST',
    as,
    build,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
const answered = async <Body>(asked: Promise<Response>, status: number): Promise<Body> => {
  const response = await asked;
  expect(response.status).toBe(status);
  return (await response.json()) as Body;
};
interface InParts {
  readonly key: string;
  readonly multipart: { readonly uploadId: string; readonly partSizeBytes: number; readonly parts: number };
}
const begin = (sizeBytes: number, build: 'r2' | 'bypass' = 'r2'): Promise<Response> =>
  post(
    '/api/sign-upload',
    { filename: 'long set.wav', contentType: 'audio/wav', sizeBytes, resumable: true },
    user,
    build,
  );

async function sendParts(
  upload: InParts,
  bytes: Uint8Array,
  numbers: readonly number[],
): Promise<{ part: number; etag: string }[]> {
  const { uploadId, partSizeBytes } = upload.multipart;
  const { parts } = await answered<{ parts: { part: number; url: string; sizeBytes: number }[] }>(
    post('/api/sign-parts', { key: upload.key, uploadId, parts: numbers }),
    200,
  );
  return Promise.all(
    parts.map(async ({ part, url, sizeBytes }) => {
      const body = bytes.subarray((part - 1) * partSizeBytes, (part - 1) * partSizeBytes + sizeBytes);
      const headers = { 'content-length': String(sizeBytes) };
      return answered<{ part: number; etag: string }>(worker.ask(url, { method: 'PUT', headers, body }), 201);
    }),
  );
}

describe('an upload in parts', () => {
  it('goes on after a pause, whatever order the parts come in, and is whole in the end', async () => {
    const bytes = noise(20 * MEBIBYTE + 5);
    const upload = await answered<InParts>(begin(bytes.byteLength), 200);
    expect(upload.multipart.parts).toBe(3);
    const last = await sendParts(upload, bytes, [3]);
    const rest = await sendParts(upload, bytes, [2, 1]);
    const { uploadId } = upload.multipart;
    const done = { key: upload.key, uploadId, parts: [...last, ...rest] };
    expect(await answered(post('/api/complete-upload', done), 201)).toMatchObject({ size: bytes.byteLength });
    const stored = await worker.inR2(upload.key);
    expect(stored === null ? null : sha256(stored)).toBe(sha256(bytes));
    // Who lost the answer asks again and gets the same.
    expect(await answered(post('/api/complete-upload', done), 201)).toMatchObject({ size: bytes.byteLength });
    const rows = await worker.query('select size_bytes from uploads where file_key = $1', [upload.key]);
    expect(rows).toEqual([{ size_bytes: String(bytes.byteLength) }]);
  });

  it('is not completed while a part is missing', async () => {
    const bytes = noise(9 * MEBIBYTE);
    const upload = await answered<InParts>(begin(bytes.byteLength), 200);
    const [first] = await sendParts(upload, bytes, [1]);
    const { uploadId } = upload.multipart;
    const complete = (parts: unknown) => post('/api/complete-upload', { key: upload.key, uploadId, parts });
    expect((await complete([first])).status).toBe(409);
    expect((await complete([first, { part: 2, etag: 'invented' }])).status).toBe(409);
    expect(await worker.inR2(upload.key)).toBeNull();
  });

  it('can be given up, and its parts are gone', async () => {
    const bytes = noise(9 * MEBIBYTE);
    const upload = await answered<InParts>(begin(bytes.byteLength), 200);
    const parts = await sendParts(upload, bytes, [1, 2]);
    const { uploadId } = upload.multipart;
    expect((await post('/api/abort-upload', { key: upload.key, uploadId })).status).toBe(200);
    expect((await post('/api/complete-upload', { key: upload.key, uploadId, parts })).status).toBe(409);
    const { parts: late } = await answered<{ parts: { url: string; sizeBytes: number }[] }>(
      post('/api/sign-parts', { key: upload.key, uploadId, parts: [2] }),
      200,
    );
    const body = bytes.subarray(0, late[0]?.sizeBytes);
    const headers = { 'content-length': String(body.byteLength) };
    expect((await worker.ask(late[0]?.url ?? '', { method: 'PUT', headers, body })).status).toBe(409);
  });

  it('is nobody else’s, and its ticket cannot be altered', async () => {
    const upload = await answered<InParts>(begin(9 * MEBIBYTE), 200);
    const { uploadId } = upload.multipart;
    const asked = { key: upload.key, uploadId, parts: [1] };
    expect((await post('/api/sign-parts', asked, worker.users.pro)).status).toBe(403);
    expect((await post('/api/sign-parts', { ...asked, uploadId: `${uploadId.slice(0, -2)}AA` })).status).toBe(403);
    expect((await post('/api/sign-parts', { ...asked, uploadId: 7 })).status).toBe(403);
    expect((await post('/api/sign-parts', { ...asked, key: upload.key.replace('long', 'other') })).status).toBe(403);
    expect((await post('/api/sign-parts', { ...asked, parts: [3] })).status).toBe(400);
    expect((await post('/api/sign-parts', { ...asked, parts: [] })).status).toBe(400);
  });

  it('pauses while the bypass version serves, and a short one does not', async () => {
    expect((await begin(9 * MEBIBYTE, 'bypass')).status).toBe(503);
    expect((await begin(1000, 'bypass')).status).toBe(200);
  });

  it('is what a file above 100 MB always is', async () => {
    const large = { filename: 'a.wav', contentType: 'audio/wav', sizeBytes: 101 * MEBIBYTE };
    expect(await answered(post('/api/sign-upload', large), 200)).toHaveProperty('multipart.parts', 13);
  });
});

describe('an upload that replaces a file', () => {
  const link = (key: string, sizeBytes: number, build: 'r2' | 'bypass' = 'r2', over = {}): Promise<Response> =>
    post(
      '/api/sign-upload',
      { filename: 'again.wav', contentType: 'audio/wav', sizeBytes, replaces: key, ...over },
      user,
      build,
    );
  const send = (url: string, body: Uint8Array, build: 'r2' | 'bypass' = 'r2'): Promise<Response> =>
    worker.ask(url, {
      method: 'PUT',
      build,
      headers: { 'content-type': 'audio/wav', 'content-length': String(body.byteLength) },
      body,
    });

  it.each(['r2', 'bypass'] as const)(
    'takes its place under the same key, in the %s build, and is told to the mirror',
    async (build) => {
      const key = await worker.upload(user, noise(100), build);
      const bytes = new Uint8Array(200).fill(7);
      const { url, key: same } = await answered<{ url: string; key: string }>(link(key, 200, build), 200);
      expect(same).toBe(key);
      expect((await send(url, bytes, build)).status).toBe(201);
      const stored = build === 'r2' ? await worker.inR2(key) : await worker.inLegacy(key);
      expect(stored === null ? null : sha256(stored)).toBe(sha256(bytes));
      const rows = await worker.query('select size_bytes from uploads where file_key = $1', [key]);
      expect(rows).toEqual([{ size_bytes: '200' }]);
      await vi.waitFor(() =>
        expect(worker.events.filter((one) => one['key'] === key).map((one) => one['size'])).toEqual([100, 200]),
      );
    },
  );

  it('is stored though another one of the same size was signed before it and came first', async () => {
    const key = await worker.upload(user, noise(100));
    const [first, second] = [
      await answered<{ url: string }>(link(key, 50), 200),
      await answered<{ url: string }>(link(key, 50), 200),
    ];
    const last = new Uint8Array(50).fill(2);
    expect((await send(first.url, new Uint8Array(50).fill(1))).status).toBe(201);
    expect((await send(second.url, last)).status).toBe(201);
    // The first link serves once: it does not bring the old bytes back.
    await send(first.url, new Uint8Array(50).fill(1));
    const stored = await worker.inR2(key);
    expect(stored === null ? null : sha256(stored)).toBe(sha256(last));
  });

  it("is refused for what is not there, is of another type, too large, or somebody else's", async () => {
    const key = await worker.upload(user, noise(100));
    expect((await link(key.replace('.wav', 'x.wav'), 50)).status).toBe(404);
    expect((await link(key, 50, 'r2', { filename: 'a.mp3', contentType: 'audio/mpeg' })).status).toBe(400);
    expect((await link(key, 101 * MEBIBYTE)).status).toBe(413);
    expect((await link(await worker.upload(worker.users.pro, noise(10)), 50)).status).toBe(403);
    expect((await link('nowhere/a.wav', 50)).status).toBe(400);
  });

  it('does not bring a file back that was deleted meanwhile', async () => {
    const key = await worker.upload(user, noise(100));
    const { url } = await answered<{ url: string }>(link(key, 50), 200);
    await answered(post('/api/delete-file', { key }), 200);
    expect((await send(url, noise(50))).status).toBe(409);
    expect(await worker.inR2(key)).toBeNull();
  });
});

describe('the queue', () => {
  it('is told of every upload and every delete', async () => {
    const key = await worker.upload(user, noise(100));
    await answered(post('/api/delete-file', { key }), 200);
    await vi.waitFor(() =>
      expect(
        worker.events.filter((event) => event['key'] === key).map((event) => [event['type'], event['size']]),
      ).toEqual([
        ['put', 100],
        ['delete', null],
      ]),
    );
  });
});

describe('the telemetry', () => {
  it('counts what was read through to legacy, and names no user and no key', async () => {
    const key = `users/${user}/uploads/only-legacy.wav`;
    await worker.putLegacy(key, noise(10));
    expect((await worker.ask(await worker.sign(user, key))).status).toBe(200);
    await vi.waitFor(() =>
      expect(worker.observed(`SELECT SUM(double2) AS n FROM media WHERE blob1 = 'read-through'`)).toEqual([{ n: 1 }]),
    );
    const all = JSON.stringify(worker.observed('SELECT * FROM media'));
    expect(all).not.toContain(user);
    expect(all).not.toContain('uploads/');
  });
});

describe('links past the Worker, straight to the bucket', () => {
  it('bring the bytes there and back, and count when the upload is completed', async () => {
    const direct = await deployWorker({ legacy: false, vars: { SIGNED_URL_MODE: 's3' } });
    try {
      const { pro } = direct.users;
      const headers = { 'content-type': 'application/json' };
      const bytes = noise(5000);
      const ask = (path: string, body: unknown) =>
        direct.ask(path, { method: 'POST', as: pro, headers, body: JSON.stringify(body) });
      const signed = await answered<{ key: string; url: string; headers: Record<string, string> }>(
        ask('/api/sign-upload', { filename: 'a.wav', contentType: 'audio/wav', sizeBytes: bytes.byteLength }),
        200,
      );
      expect(new URL(signed.url).host).toBe(direct.address.host);
      expect((await ask('/api/complete-upload', { key: signed.key })).status).toBe(409);
      const tooLong = { method: 'PUT', headers: signed.headers, body: noise(5001) };
      expect((await fetch(signed.url, tooLong)).status).toBe(403);
      expect((await fetch(signed.url, { method: 'PUT', headers: signed.headers, body: bytes })).status).toBe(200);
      expect(await answered(ask('/api/complete-upload', { key: signed.key }), 201)).toMatchObject({ size: 5000 });
      const read = await fetch(await direct.sign(pro, signed.key));
      expect(sha256(new Uint8Array(await read.arrayBuffer()))).toBe(sha256(bytes));
    } finally {
      await direct.close();
    }
  });
});

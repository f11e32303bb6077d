import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTemporaryProject } from '../../../../local-cloud/src/supabase/temporary-project.ts';
import { findStorageLimits } from './storage-limits.ts';
import { createSupabaseProvider } from './supabase-provider.ts';

const MIB = 1024 * 1024;
const SERVICE_KEY = 'canary-service-key';

interface Project {
  bucket: unknown;
  /** What the Management API answers: a status and a body. */
  settings: readonly [number, unknown] | null;
  /** Bytes; `null` where there are no resumable uploads. */
  limit: number | null;
  /** Another status for every upload that is begun. */
  begins: number;
}

/** As supabase/storage 1.11.2 judges an upload that is begun (TUS): by its announced length, 413 in plain text. */
async function project(over: Partial<Project>) {
  const state: Project = { bucket: {}, settings: null, limit: 50 * MIB, begins: 201, ...over };
  const begun = new Set<string>();
  const tried: number[] = [];
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown, headers = {}): void => {
      response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    const { method, url = '', headers } = request;
    if (headers.authorization === undefined) return answer(401, {});
    if (url === '/storage/v1/bucket/media') return answer(200, { id: 'media', public: true, ...Object(state.bucket) });
    if (url === '/v1/projects/abcdefghijklmnopqrst/config/storage' && state.settings !== null)
      return answer(...state.settings);
    if (!url.startsWith('/storage/v1/upload/resumable') || state.limit === null || headers['tus-resumable'] !== '1.0.0')
      return answer(404, { statusCode: '404', error: 'Not Found', message: `Route ${method}:${url} not found` });
    if (method === 'DELETE') {
      const known = begun.delete(url.slice(url.lastIndexOf('/') + 1));
      return answer(known ? 204 : 404, '');
    }
    const bytes = Number(headers['upload-length']);
    tried.push(bytes);
    if (state.begins !== 201) return answer(state.begins, 'no');
    if (bytes > state.limit) return answer(413, 'Maximum size exceeded\n');
    const id = Buffer.from(String(headers['upload-metadata'])).toString('base64url');
    begun.add(id);
    // Behind a proxy the server says another name than the one it is reached by.
    answer(201, '', { location: `http://storage:5000/upload/resumable/${id}` });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const url = `http://127.0.0.1:${address.port}`;
  const management = { apiUrl: url, token: 'canary-token', ref: 'abcdefghijklmnopqrst' };
  const provider = createSupabaseProvider({
    url,
    anonKey: 'anon',
    serviceKey: SERVICE_KEY,
    ...(state.settings === null ? {} : { management }),
  });
  const limits = (largestBytes = 500 * MIB, types: readonly string[] = []) =>
    provider.storageLimits('media', { largestBytes, types });
  return { limits, begun, tried };
}

describe("the old store's limits", () => {
  it('are those of the bucket, and of the project by its settings, where a token may read them', async () => {
    const { limits, tried } = await project({
      bucket: { file_size_limit: 20 * MIB, allowed_mime_types: ['audio/wav', 'image/*'] },
      settings: [200, { fileSizeLimit: 52_428_800, features: {} }],
    });
    expect(await limits(500 * MIB, ['audio/wav', 'audio/mpeg', 'image/png'])).toEqual({
      bucketBytes: 20 * MIB,
      projectBytes: 52_428_800,
      projectBy: 'settings',
      allowedTypes: ['audio/wav', 'image/*'],
      refusedTypes: ['audio/mpeg'],
    });
    expect(tried).toEqual([]);
  });

  it.each([401, 403, 404])(
    'are found by trying where the settings answer %i, and nothing is left behind',
    async (status) => {
      const { limits, begun, tried } = await project({ settings: [status, { message: 'no' }] });
      expect(await limits()).toMatchObject({ bucketBytes: null, projectBytes: 50 * MIB, projectBy: 'trying' });
      expect(tried.length).toBeLessThan(12);
      expect(begun.size).toBe(0);
    },
  );

  it('need one try where the project takes the largest upload there is', async () => {
    const { limits, begun, tried } = await project({ limit: 500 * MIB });
    expect(await limits()).toMatchObject({ projectBytes: null, projectBy: 'trying' });
    expect(tried).toEqual([500 * MIB]);
    expect(begun.size).toBe(0);
  });

  it('are tried no higher than the bucket takes', async () => {
    const { limits, tried } = await project({ bucket: { file_size_limit: 10 * MIB } });
    expect(await limits()).toMatchObject({ bucketBytes: 10 * MIB, projectBytes: null });
    expect(tried).toEqual([10 * MIB]);
  });

  it('are said to be unknown where nobody tells and nothing can be tried', async () => {
    const { limits } = await project({ limit: null });
    expect(await limits()).toMatchObject({ projectBytes: null, projectBy: 'nobody' });
  });

  it.each([400, 403])('are no limits at all when the try itself is refused with %i', async (begins) => {
    const { limits } = await project({ begins });
    const error: unknown = await limits().catch((one: unknown) => one);
    expect(String(error)).toContain(`POST a resumable upload of ${500 * MIB} bytes answered ${begins}`);
    expect(String(error)).not.toContain('canary');
  });

  it.each([
    ['a server of before there were limits', {}],
    ['no limits', { file_size_limit: null, allowed_mime_types: null }],
    ['an empty list of types, and 0', { file_size_limit: 0, allowed_mime_types: [] }],
  ])('are none for %s', async (_name, bucket) => {
    const { limits } = await project({ bucket, limit: 500 * MIB });
    expect(await limits(500 * MIB, ['audio/wav'])).toMatchObject({
      bucketBytes: null,
      allowedTypes: null,
      refusedTypes: [],
    });
  });

  it('are never said to be higher than they are, whatever the limit', async () => {
    for (const limit of [1, MIB - 1, MIB, MIB + 1, 7 * MIB + 5, 52_428_800, 50_000_000, 499 * MIB]) {
      const found = await findStorageLimits(
        {
          bucket: { file_size_limit: null, allowed_mime_types: null },
          told: async () => null,
          takes: async (bytes) => bytes <= limit,
        },
        { largestBytes: 500 * MIB, types: [] },
      );
      expect(found.projectBytes).toBe(Math.floor(limit / MIB) * MIB);
    }
  });
});

describe('the local cloud', () => {
  it('judges an upload by what it announces, and tells its limit in its settings', async () => {
    const double = await startTemporaryProject('127.0.0.58', 'secret', { fileSizeLimit: 52_428_800 });
    onTestFinished(() => double.close());
    const management = { apiUrl: double.url, token: 'manage', ref: 'abcdefghijklmnopqrst' };
    const keys = { url: double.url, anonKey: double.anonKey, serviceKey: double.serviceKey };
    const wanted = { largestBytes: 500 * MIB, types: [] };
    expect(await createSupabaseProvider(keys).storageLimits('media', wanted)).toMatchObject({
      projectBytes: 50 * MIB,
      projectBy: 'trying',
    });
    expect(await createSupabaseProvider({ ...keys, management }).storageLimits('media', wanted)).toMatchObject({
      projectBytes: 52_428_800,
      projectBy: 'settings',
    });
  }, 60_000);
});

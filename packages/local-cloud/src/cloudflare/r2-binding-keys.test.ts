import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RuntimeVersion, WorkersRuntime } from './runtime-contract.ts';
import { createWorkersRuntime } from './workers-runtime.ts';

const [EDGE, HOST, Bucket] = ['127.0.0.53', 'media.example.com', 'media'];
const credentials = { accessKeyId: 'key', secretAccessKey: 'secret' };
const [nfc, nfd] = ['Hé/ñ.wav', 'He\u0301/n\u0303.wav'];
let folder = '';
let port = 0;
let runtime: WorkersRuntime;
let s3: S3Client;

/** Does with the bucket what the query says, and answers with JSON. */
const ACT = `async function act(request, env) {
  const { op, key } = Object.fromEntries(new URL(request.url).searchParams);
  const body = async (object) => (object === null ? null : await object.text());
  switch (op) {
    case 'put': return (await env.MEDIA.put(key, 'bound')) !== null;
    case 'get': return body(await env.MEDIA.get(key));
    case 'head': return (await env.MEDIA.head(key))?.size ?? null;
    case 'list': return (await env.MEDIA.list({ prefix: key })).objects.length;
    case 'delete': return void (await env.MEDIA.delete([key]));
    case 'parts': {
      const begun = await env.MEDIA.createMultipartUpload(key);
      const upload = env.MEDIA.resumeMultipartUpload(key.normalize('NFC'), begun.uploadId);
      await begun.complete([await upload.uploadPart(1, 'parts')]);
      return begun.key === key;
    }
    case 'names': return Object.keys(env).sort();
  }
}`;
const object = `${ACT} export default { async fetch(request, env) { return Response.json((await act(request, env)) ?? null); } }`;
const entrypoint = `import { WorkerEntrypoint } from 'cloudflare:workers'; ${ACT}
export default class extends WorkerEntrypoint { async fetch(request) { return Response.json((await act(request, this.env)) ?? null); } }`;

function version(code: string): RuntimeVersion {
  return {
    script: 'media',
    versionId: randomUUID(),
    tag: '',
    createdOn: new Date().toISOString(),
    mainModule: 'src/index.js',
    modules: { 'src/index.js': code },
    compatibilityDate: '2026-07-01',
    compatibilityFlags: [],
    objectClasses: [],
    bindings: [{ type: 'r2_bucket', name: 'MEDIA', bucket_name: Bucket }],
  };
}

const ask = (op: string, key = ''): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const path = `/?op=${op}&key=${encodeURIComponent(key)}`;
    const options = { host: EDGE, port, path, headers: { host: HOST }, agent: false };
    http.get(options, (answer) => resolve(text(answer).then((told) => JSON.parse(told)))).once('error', reject);
  });
const listed = async (): Promise<(string | undefined)[]> =>
  ((await s3.send(new ListObjectsV2Command({ Bucket }))).Contents ?? []).map(({ Key }) => Key);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-keys-'));
  port = 20_000 + Math.floor(Math.random() * 20_000);
  runtime = await createWorkersRuntime({
    folder,
    edge: { address: EDGE, port },
    workersSubdomain: 'team',
    r2Credentials: credentials,
    sinks: { onMessages: async () => {}, onDataPoint: () => {} },
  });
  await runtime.ensureBucket(Bucket);
  s3 = new S3Client({ endpoint: runtime.r2Endpoint, region: 'auto', forcePathStyle: true, credentials });
  runtime.setRoutes([{ pattern: `${HOST}/*`, script: 'media' }]);
}, 60_000);
afterAll(async () => {
  await runtime.close();
  await rm(folder, { recursive: true, force: true });
});

// https://developers.cloudflare.com/r2/reference/unicode-interoperability/: keys are NFC-normalised, whoever stores.
it.each([
  ['an object of handlers', object],
  ['an entrypoint class', entrypoint],
])('a Worker that is %s shares one object with S3 under any Unicode form of a key', async (_what, code) => {
  const one = version(code);
  await runtime.addVersion(one);
  runtime.setDeployment('media', [{ versionId: one.versionId, percentage: 100 }]);
  expect(await ask('names')).toEqual(['MEDIA']);
  await s3.send(new PutObjectCommand({ Bucket, Key: nfd, Body: 'by S3' }));
  for (const key of [nfc, nfd]) expect([await ask('get', key), await ask('head', key)]).toEqual(['by S3', 5]);
  expect(await ask('list', 'He\u0301')).toBe(1);
  for (const key of [nfc, nfd]) {
    await ask('put', key);
    expect(await listed()).toEqual([key]);
    expect(await ask('get', key === nfc ? nfd : nfc)).toBe('bound');
  }
  await ask('put', nfc);
  expect(await ask('parts', nfd)).toBe(true);
  expect(await listed()).toEqual([nfd]);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: nfc }));
  expect(await Body?.transformToString()).toBe('parts');
  await ask('delete', nfc);
  expect(await listed()).toEqual([]);
});

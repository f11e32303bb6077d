import { createServer } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { createPhone, Failed } from './phone.ts';
import { randomOf } from './seeded-random.ts';
import type { Surroundings } from './surroundings.ts';
import { openWriteRecord } from './write-record.ts';
import { createWriting } from './writing.ts';

type Answers = (method: string, path: string) => number | 'hang up';

/** One uploader at the edge, whose server answers each request as it is told. */
async function uploader(answers: Answers) {
  const folder = await mkdtemp(join(tmpdir(), 'uploader-'));
  let keys = 0;
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    request.resume();
    if (path === '/health') return void response.end('{"service":"audafact-api"}');
    if (path.startsWith('/auth')) return void response.end('{"access_token":"t"}');
    asked.push(`${request.method} ${path}`);
    const status = answers(request.method ?? '', path);
    if (status === 'hang up') return void request.socket.destroy();
    response.statusCode = status;
    response.end(JSON.stringify({ key: `k${++keys}`, url: `${origin}/media/link` }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  const origin = `http://127.0.0.1:${address.port}`;
  const agent = new Agent();
  const record = await openWriteRecord(join(folder, 'writes.ndjson'));
  onTestFinished(async () => {
    await record.written();
    await agent.destroy();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });
  const world: Surroundings = {
    mediaOrigin: origin,
    supabase: { url: origin, anonKey: '', bucket: 'media' },
    tracks: [],
    pieces: 1,
    connectionTo: () => agent,
    resolve: async () => '127.0.0.1',
    count: () => {},
    record,
  };
  const writing = createWriting(createPhone({ id: 'u', email: 'e', password: 'p', tier: 'enterprise' }, world), world);
  const random = randomOf(1);
  return {
    record,
    asked,
    upload: () => writing.upload(10, 0, random),
    overwrite: () => writing.overwrite(10, 0, random),
    remove: () => writing.remove(0, random),
  };
}
const fine: Answers = (method) => (method === 'PUT' ? 201 : 200);

it('uploads, overwrites and deletes its own files, and the record says what stands', async () => {
  const { upload, overwrite, remove, record } = await uploader(fine);
  expect(await overwrite()).toBe(false);
  await upload();
  const [first] = record.truths();
  expect(await overwrite()).toBe(true);
  const [second, ...others] = record.truths();
  expect(others).toEqual([]);
  expect(second).toMatchObject({ key: first?.key, last: 'overwrite', may: [expect.any(String)] });
  expect(second?.may).not.toEqual(first?.may);
  expect(await remove()).toBe(true);
  expect(await remove()).toBe(false);
  expect(record.counts().edge).toEqual({ uploads: 1, overwrites: 1, deletes: 1 });
});

it('leaves a file alone once an answer was lost: what stands there is not known', async () => {
  let lose = false;
  const { upload, overwrite, remove, record } = await uploader((method, path) =>
    lose && (method === 'PUT' || path === '/api/delete-file') ? 'hang up' : fine(method, path),
  );
  await upload();
  lose = true;
  await expect(remove()).rejects.toThrow(Failed);
  expect(record.truths()[0]?.may).toEqual([expect.any(String), null]);
  expect(await overwrite()).toBe(false);
  await expect(upload()).rejects.toThrow(Failed);
  expect(record.writes().map(({ outcome }) => outcome)).toEqual(['succeeded', 'unknown', 'unknown']);
});

it('takes a refusal for what it says: nothing happened', async () => {
  let status = 200;
  const { upload, remove, record } = await uploader((method, path) =>
    path === '/api/delete-file' ? status : fine(method, path),
  );
  await upload();
  status = 403;
  await expect(remove()).rejects.toThrow(Failed);
  expect(record.truths()[0]?.may).toEqual([expect.any(String)]);
});

it('works at a file one thing at a time, so that the order of what happens to it is known', async () => {
  const { upload, overwrite, remove } = await uploader(fine);
  await upload();
  const [overwriting, removing] = await Promise.all([overwrite(), remove()]);
  expect([overwriting, removing]).toEqual([true, false]);
});

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from '../../../local-cloud/src/supabase/temporary-project.ts';
import { smallConfig } from '../engine/fixtures/small-config.ts';
import { createObjectStore } from '../providers/s3/object-store.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { createFolderStore } from '../transfer/folder-store.ts';
import { metaOf } from '../providers/object-meta.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const SECRET = 'canary-s3-secret-access-key';
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=3600' });
let project: TemporaryProject;
let bucket: ReturnType<typeof createObjectStore>;
let s3: Record<string, string>;
let folder: string;

beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.58', SECRET);
  const { endpoint, region, accessKeyId } = project.s3;
  bucket = createObjectStore({
    ...project.s3,
    label: 'media',
    bucket: 'media',
    partSizeBytes: 5 << 20,
  });
  s3 = {
    AWS_ENDPOINT_URL_S3: endpoint,
    AWS_REGION: region,
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: SECRET,
  };
});
afterAll(async () => {
  await bucket.close();
  await project.close();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-transfer-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function environment(env: Record<string, string>): NodeJS.ProcessEnv {
  const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  return { ...Object.fromEntries(outside), NO_COLOR: '1', ...env };
}

function crossfade(args: readonly string[], env: Record<string, string> = s3): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, env: environment(env) }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

async function files(entries: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(entries)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

async function objects(entries: Readonly<Record<string, string>>): Promise<void> {
  for (const [key, text] of Object.entries(entries))
    await bucket.put(key, Buffer.from(text), Buffer.byteLength(text), META);
}

/** A config whose legacy is the project, without S3 keys that anybody takes. */
function restConfig(): RolloutConfig {
  const nowhere = 'http://127.0.0.1:9';
  const config = smallConfig({
    cloudflare: nowhere,
    r2: nowhere,
    legacy: nowhere,
    databaseUrl: project.database.url(project.databaseName),
    edgePort: 9,
    edgeAddress: '127.0.0.1',
    authority: '127.0.0.1:9',
    resolvers: ['127.0.0.1:9'],
    ttlScale: 1,
  });
  const { production, staging } = config.environments;
  const { url, serviceKey } = project;
  const supabase = { ...production.supabase, url, serviceKey, bucket: 'media' };
  return { ...config, environments: { staging, production: { ...production, supabase } } };
}

describe('copy and verify, between a bucket and a folder', () => {
  it('bring everything there and back, with bytes and metadata', async () => {
    await objects({
      'there/a.wav': 'a',
      'there/b c+d/e&f.wav': 'e',
      'there/empty.wav': '',
      'there/none/of/it.txt': 'x',
    });
    const there = await crossfade([
      'copy',
      's3://media/there',
      './media',
      '--exclude',
      '*.txt',
      '--manifest',
      'm.jsonl',
      '--json',
    ]);
    expect(there.code, there.err).toBe(0);
    expect(JSON.parse(there.out)).toMatchObject({
      outcome: 'done',
      copied: 3,
      bytes: 2,
      verified: { objects: 3, verified: 3 },
      manifest: { rows: 3 },
      report: null,
      next: ['crossfade verify s3://media/there ./media'],
    });
    expect(await readFile(join(folder, 'media/b c+d/e&f.wav'), 'utf8')).toBe('e');
    const again = await crossfade(['copy', 's3://media/there', './media', '--exclude', '*.txt', '--json']);
    expect(JSON.parse(again.out)).toMatchObject({ outcome: 'done', copied: 0, present: 3 });

    const back = await crossfade(['copy', './media', 's3://media/back', '--json']);
    expect(back.code, back.err).toBe(0);
    expect(JSON.parse(back.out)).toMatchObject({ copied: 3, verified: { verified: 3 } });
    expect(await bucket.head('back/b c+d/e&f.wav')).toMatchObject({ size: 1, meta: META });

    const held = await crossfade(['verify', 's3://media/back', '--manifest', 'm.jsonl', '--json'], s3);
    expect(held.code, held.err).toBe(0);
    expect(JSON.parse(held.out)).toMatchObject({ outcome: 'done', objects: 3, verified: 3 });
    await objects({ 'back/a.wav': 'A' });
    const broken = await crossfade(['verify', 's3://media/back', '--manifest', 'm.jsonl', '--json']);
    expect(broken.code).toBe(1);
    expect(JSON.parse(broken.out)).toMatchObject({
      outcome: 'failed',
      findings: { different: [{ key: 'a.wav', reason: 'MD5' }] },
    });
    expect(`${there.err}${there.out}${back.err}${back.out}`).not.toContain('canary');
  });

  it('bring everything from one prefix of a bucket to another, whether or not its server copies by itself', async () => {
    await objects({ 'one/a.wav': 'a', 'one/b c+d/e&f.wav': 'e', 'one/empty.wav': '', 'onetime.wav': 'x' });
    const { code, out } = await crossfade(['copy', 's3://media/one', 's3://media/other/one', '--json']);
    expect(code, out).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ copied: 3, bytes: 2, verified: { objects: 3, verified: 3 }, extra: 0 });
    expect(await bucket.head('other/one/b c+d/e&f.wav')).toMatchObject({ size: 1, meta: META });
    const listed: string[] = [];
    for await (const { key } of bucket.list('o')) listed.push(key);
    expect(listed.filter((key) => key.includes('one'))).toHaveLength(7);
  });

  it('a dry run prints each call and makes none', async () => {
    await files({ 'media/a b.wav': 'x', 'media/large.bin': 'x'.repeat(100) });
    const { code, out, err } = await crossfade(['copy', './media', 's3://media/dry', '--dry-run']);
    expect(code, err).toBe(0);
    const url = `${project.s3.endpoint}/media/dry`;
    expect(out).toBe(`PUT ${url}/a%20b.wav\nPUT ${url}/large.bin\n`);
    expect(err).toContain('2 calls would put 2 objects (101 B); none was made');
    const json = await crossfade(['copy', './media', 's3://media/dry', '--dry-run', '--json']);
    expect(JSON.parse(json.out)).toMatchObject({
      calls: [{ method: 'PUT' }, { method: 'PUT' }],
      objects: 2,
      bytes: 101,
      next: ['crossfade copy ./media s3://media/dry --json'],
    });
    const listed: string[] = [];
    for await (const { key } of bucket.list('dry/')) listed.push(key);
    expect(listed).toEqual([]);
  });

  it('tells what is missing, extra and different, repairs it, and leaves the extra one', async () => {
    await objects({ 'repair/a.wav': 'same', 'repair/b.wav': 'gone', 'repair/c.wav': 'good' });
    await files({ 'media/a.wav': 'same', 'media/c.wav': 'evil', 'media/d.wav': 'more' });
    const found = await crossfade(['verify', 's3://media/repair', './media', '--report', 'report.jsonl', '--json']);
    expect(found.code).toBe(1);
    expect(JSON.parse(found.out)).toMatchObject({
      outcome: 'failed',
      objects: 3,
      verified: 1,
      counts: { missing: 1, different: 1, extra: 1 },
      findings: { missing: [{ key: 'b.wav' }], different: [{ key: 'c.wav' }], extra: [{ key: 'd.wav' }] },
      next: ['crossfade verify s3://media/repair ./media --repair'],
    });
    expect((await readFile(join(folder, 'report.jsonl'), 'utf8')).trim().split('\n')).toHaveLength(3);
    const repaired = await crossfade(['verify', 's3://media/repair', './media', '--repair', '--deep']);
    // A file that was put there by hand has no cache header: the bytes agree, and a deep look compares metadata too.
    expect(repaired.err).toContain('a.wav: cache-control: expected "max-age=3600", found nothing');
    expect(repaired.err).toContain('repaired: 3 copied again, 3 of them proven');
    // The extra one is still there, and still told.
    expect(repaired.code).toBe(1);
    await rm(join(folder, 'media/d.wav'));
    const good = await crossfade(['verify', 's3://media/repair', './media', '--deep', '--json']);
    expect(good.code, good.err).toBe(0);
    expect(JSON.parse(good.out)).toMatchObject({ outcome: 'done', verified: 3, deep: true });
  });

  it('headers that the target cannot hold are named for each object, and are no failure', async () => {
    const path = join(folder, 'media');
    await mkdir(path);
    const media = createFolderStore({ path, label: './media' });
    for (const [key, contentDisposition] of Object.entries({ 'a.wav': null, 'b.wav': 'attachment; filename="b"' }))
      await media.put(key, Buffer.from(key), key.length, { ...META, contentDisposition });
    const unheld = [{ key: 'b.wav', reason: 's3:media/unheld/ does not hold content-disposition' }];
    const { code, out, err } = await crossfade(['copy', './media', 's3://media/unheld', '--json']);
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'done', proven: 2, failed: 0, findings: { unheld } });
    expect(err).toContain('1 proven, but for headers that the target cannot hold');
    const deep = await crossfade(['verify', './media', 's3://media/unheld', '--deep', '--json']);
    expect(deep.code, deep.err).toBe(0);
    expect(JSON.parse(deep.out)).toMatchObject({ outcome: 'done', proven: 2, failed: 0, findings: { unheld } });
  });

  it('a key that the target cannot hold is told, and the others go on', async () => {
    await files({ 'media/ü.wav': 'x', 'media/50%.wav': 'x', 'media/good.wav': 'x' });
    const { code, out } = await crossfade(['copy', './media', 's3://media/strange', '--json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      outcome: 'failed',
      copied: 1,
      listed: 3,
      proven: 1,
      failed: 2,
      verified: { objects: 3, verified: 1 },
      findings: {
        failed: [
          { key: '50%.wav', reason: 'Supabase Storage takes no "%" in a key' },
          { key: 'ü.wav', reason: 'Supabase Storage takes no "ü" in a key' },
        ],
      },
    });
  });

  it('legacy-rest is legacy over REST: it is read and proven, and cannot be written', async () => {
    await objects({ 'rest/a.wav': 'a', 'rest/b c/d&e.wav': 'longer' });
    await files({ 'rest.config.mjs': `export default ${JSON.stringify(restConfig())};` });
    const config = ['--config', 'rest.config.mjs'];
    const there = await crossfade(['copy', 'legacy-rest/rest', './media', '--json', ...config], {});
    expect(there.code, there.err).toBe(0);
    expect(JSON.parse(there.out)).toMatchObject({ outcome: 'done', copied: 2, bytes: 7, verified: { verified: 2 } });
    expect(await readFile(join(folder, 'media/b c/d&e.wav'), 'utf8')).toBe('longer');
    await files({ 'media/a.wav': 'A' });
    const found = await crossfade(['verify', 'legacy-rest/rest', './media', '--json', ...config], {});
    expect([found.code, JSON.parse(found.out).counts]).toEqual([
      1,
      expect.objectContaining({ different: 1, missing: 0 }),
    ]);
    const back = await crossfade(['copy', './media', 'legacy-rest/rest', ...config], {});
    expect([back.code, back.err]).toEqual([2, expect.stringContaining('[CROSSFADE_LOCATION_READ_ONLY]')]);
    expect(`${there.err}${there.out}${found.err}${found.out}${back.err}`).not.toContain(project.serviceKey);
  });

  it('a source with nothing that was asked for is no success', async () => {
    await mkdir(join(folder, 'empty'));
    const copied = await crossfade(['copy', './empty', 's3://media/nothing', '--json']);
    expect([copied.code, JSON.parse(copied.out).outcome]).toEqual([1, 'nothing']);
    const verified = await crossfade(['verify', './empty', 's3://media/nothing']);
    expect(verified.code).toBe(1);
    expect(verified.err).toContain('there was nothing to verify: check the prefix and the patterns');
  });

  it('Ctrl-C ends in order with 130, and the same command goes on', async () => {
    const many = Object.fromEntries(
      Array.from({ length: 40 }, (_, index) => [`media/${index}.bin`, 'x'.repeat(20_000)]),
    );
    await files(many);
    const args = ['copy', './media', 's3://media/interrupted', '--concurrency', '1'];
    const child = spawn(process.execPath, [MAIN, ...args, '--json'], { cwd: folder, env: environment(s3) });
    const ended = once(child, 'exit');
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    // The first one has arrived: it is in the middle of its work.
    for (;;) if ((await bucket.head('interrupted/0.bin')) !== null) break;
    child.kill('SIGINT');
    const [code] = await ended;
    expect(code).toBe(130);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'interrupted', next: [`crossfade ${args.join(' ')} --json`] });
    const rest = await crossfade([...args, '--json']);
    expect(rest.code, rest.err).toBe(0);
    const { copied, present } = JSON.parse(rest.out);
    expect(copied + present).toBe(40);
    expect(present).toBeGreaterThanOrEqual(1);
    expect(await readdir(join(folder, 'media'))).toHaveLength(40);
  });
});

describe('a mistake at the edge of a transfer', () => {
  it.each([
    ['no location', ['copy'], 'copy needs two locations', 'CROSSFADE_LOCATION_MISSING'],
    [
      'one location',
      ['verify', './media'],
      'verify needs a second location, or a manifest',
      'CROSSFADE_LOCATION_MISSING',
    ],
    ['three locations', ['copy', './a', './b', './c'], 'copy takes no argument "./c"', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    ['an unknown scheme', ['copy', 'gs://a', './b'], 'there are no gs:// locations', 'CROSSFADE_LOCATION_INVALID'],
    [
      'credentials in an address',
      ['copy', 's3://canary:x@a', './b'],
      'do not belong in an address',
      'CROSSFADE_LOCATION_INVALID',
    ],
    ['the same place', ['copy', './media', './other/../media'], 'are the same place', 'CROSSFADE_LOCATIONS_OVERLAP'],
    ['one in the other', ['copy', './media', './media/sub'], 'lie in each other', 'CROSSFADE_LOCATIONS_OVERLAP'],
    [
      'two prefixes that overlap',
      ['verify', 's3://media/a/b', 's3://media/a'],
      'lie in each other',
      'CROSSFADE_LOCATIONS_OVERLAP',
    ],
    ['no folder', ['copy', './nothing', './b'], 'there is no folder', 'CROSSFADE_FOLDER_MISSING'],
    ['a file', ['copy', './media/a.wav', './b'], 'is a file, not a folder', 'CROSSFADE_FOLDER_IS_FILE'],
    ['a file on the way', ['copy', './media', './other/file/b'], 'is a file, not a folder', 'CROSSFADE_FOLDER_IS_FILE'],
    ['no pattern', ['copy', './media', './b', '--include', '[a'], '"[a" is no pattern', 'CROSSFADE_GLOB_INVALID'],
    [
      'no bandwidth',
      ['copy', './media', './b', '--bandwidth', 'fast'],
      '"fast" is no bandwidth',
      'CROSSFADE_BANDWIDTH_INVALID',
    ],
    [
      'no bandwidth at all',
      ['copy', './media', './b', '--bandwidth', '0'],
      '"0" is no bandwidth',
      'CROSSFADE_BANDWIDTH_INVALID',
    ],
    [
      'no concurrency',
      ['copy', './media', './b', '--concurrency', '0'],
      '"0" is no number',
      'CROSSFADE_CONCURRENCY_INVALID',
    ],
    [
      'no lag',
      ['copy', './media', './b', '--until-caught-up', '--max-lag', 'x'],
      '"x" is no number of seconds',
      'CROSSFADE_LAG_INVALID',
    ],
    [
      'a lag for nothing',
      ['copy', './media', './b', '--max-lag', '3'],
      '--max-lag goes with',
      'CROSSFADE_ARGUMENT_UNKNOWN',
    ],
    ["verify's option", ['copy', './media', './b', '--repair'], 'belong to verify', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    ["copy's option", ['verify', './media', './other', '--no-verify'], 'belongs to copy', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    [
      'no manifest',
      ['verify', './media', '--manifest', 'no.jsonl'],
      'there is no manifest no.jsonl',
      'CROSSFADE_MANIFEST_MISSING',
    ],
    [
      'a broken manifest',
      ['verify', './media', '--manifest', 'other/file'],
      'other/file, line 1: expected',
      'CROSSFADE_MANIFEST_BROKEN',
    ],
    ['a bucket that is not there', ['copy', 's3://nothing', './b'], 'NoSuchBucket', 'CROSSFADE_BUCKET_MISSING'],
    ['a store without a config', ['copy', 'legacy', './b'], 'there is no config file', 'CROSSFADE_CONFIG_MISSING'],
  ])('%s: one message with what to do, exit code 2, no stack trace', async (_name, args, says, code) => {
    await files({ 'media/a.wav': 'x', 'other/file': 'x' });
    const { code: exitCode, err, out } = await crossfade(args);
    expect(err).toContain(says);
    expect(err).toContain(`[${code}]`);
    expect(exitCode).toBe(2);
    expect(err).not.toMatch(/\n\s+at /);
    expect(`${err}${out}`).not.toContain('canary');
    expect(out).toBe('');
    expect(err.trim().split('\n')).toHaveLength(2);
  });

  it('missing credentials: each variable that has to be set is named', async () => {
    const { code, err } = await crossfade(['copy', 's3://media', './b'], { AWS_ACCESS_KEY_ID: 'canary' });
    expect(code).toBe(2);
    expect(err).toContain('s3://media needs AWS_SECRET_ACCESS_KEY, AWS_REGION');
    expect(err).not.toContain('canary');
  });

  it('wrong credentials are told with what to check, and not shown', async () => {
    const wrong = { ...s3, AWS_SECRET_ACCESS_KEY: 'canary-wrong' };
    const { code, err } = await crossfade(['copy', 's3://media', './b'], wrong);
    expect([code, err]).toEqual([2, expect.stringContaining('[CROSSFADE_ACCESS_REFUSED]')]);
    expect(err).not.toContain('canary');
  });

  it('a store that nobody answers at is named, with exit code 4', async () => {
    const nowhere = { ...s3, AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' };
    const { code, err } = await crossfade(['copy', 's3://media', './b'], nowhere);
    expect([code, err]).toEqual([4, expect.stringContaining('[CROSSFADE_UNREACHABLE]')]);
  });

  it('help tells how locations are written', async () => {
    const { code, out } = await crossfade(['verify', '--help']);
    expect(code).toBe(0);
    for (const word of ['s3://BUCKET', 'legacy-rest', '--until-caught-up', '--shared', 'Exit codes'])
      expect(out).toContain(word);
  });
});

import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { smallConfig } from '../engine/fixtures/small-config.ts';
import { openS3Bucket } from '../providers/open-s3-bucket.ts';
import { refuse, startS3Server, type S3Server } from '../transfer/fixtures/s3-server.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
let s3: S3Server;
let folder: string;

beforeEach(async () => {
  s3 = await startS3Server();
  folder = await mkdtemp(join(tmpdir(), 'crossfade-account-'));
});
afterEach(async () => {
  await s3.close();
  await rm(folder, { recursive: true, force: true });
});

function crossfade(...args: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('AWS_'));
  const env = {
    ...Object.fromEntries(outside),
    NO_COLOR: '1',
    AWS_ENDPOINT_URL_S3: s3.url,
    AWS_REGION: 'auto',
    AWS_ACCESS_KEY_ID: 'access-key-id',
    AWS_SECRET_ACCESS_KEY: 'secret-access-key',
  };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { cwd: folder, env }, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

const place = (...keys: readonly string[]): void => {
  for (const key of keys) s3.place(`media/${key}`, `bytes of ${key}`);
};
const answers = (status: number, code: string, ...keys: readonly string[]): void => {
  s3.fault = (call, _request, response) =>
    keys.some((key) => call === `GET media/${key}` || call === `HEAD media/${key}`) && refuse(response, status, code);
};
const lines = async (file: string): Promise<unknown[]> =>
  (await readFile(join(folder, file), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('a copy accounts for every listed object', () => {
  it('one that is listed and not there fails it, by name, in text, JSON and manifest', async () => {
    place('a', 'b', 'c');
    answers(404, 'NoSuchKey', 'b');
    const { code, out, err } = await crossfade('copy', 's3://media', './out', '--manifest', 'm.jsonl', '--json');
    expect(code, err).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      outcome: 'failed',
      listed: 3,
      proven: 2,
      failed: 1,
      gone: 0,
      verified: { objects: 3, verified: 2 },
      findings: { failed: [{ key: 'b', reason: expect.stringContaining('listed, and not there') }], missing: [] },
      manifest: { rows: 2, unproven: 1 },
    });
    expect(err).toContain('proven 2, failed 1, gone 0 of 3 listed, in ./out');
    expect(await lines('m.jsonl')).toContainEqual({ key: 'b', failed: expect.stringContaining('not there') });
    // Against the manifest only what was proven is held.
    const held = await crossfade('verify', './out', '--manifest', 'm.jsonl', '--json');
    expect([held.code, JSON.parse(held.out)]).toEqual([0, expect.objectContaining({ listed: 2, proven: 2 })]);
    const verified = await crossfade('verify', 's3://media', './out', '--json');
    expect([verified.code, JSON.parse(verified.out)]).toEqual([
      1,
      expect.objectContaining({ listed: 3, proven: 2, failed: 1, gone: 0 }),
    ]);
  });

  it('one that was deleted meanwhile is gone, by name, and no failure', async () => {
    place('a', 'b', 'c');
    s3.fault = (call, _request, response) => {
      if (call !== 'GET media/b') return false;
      s3.objects.delete('media/b');
      return refuse(response, 404, 'NoSuchKey');
    };
    const { code, out, err } = await crossfade('copy', 's3://media', './out', '--manifest', 'm.jsonl', '--json');
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      outcome: 'done',
      listed: 3,
      proven: 2,
      failed: 0,
      gone: 1,
      findings: { gone: [{ key: 'b' }] },
    });
    expect(err).toContain('proven 2, failed 0, gone 1 of 3 listed');
    expect(await lines('m.jsonl')).toContainEqual({ key: 'b', gone: true });
  });

  it.each([[[]], [['--no-verify']]])(
    'one whose custom values the source does not tell is a finding, whatever its bytes (%j)',
    async (more) => {
      place('a');
      s3.place('media/b', 'bytes of b', undefined, { 'x-amz-missing-meta': '2' });
      const args = ['copy', 's3://media', './out', '--json', ...more];
      const { code, out, err } = await crossfade(...args);
      expect(code, err).toBe(1);
      const reason = expect.stringMatching(/^2 custom values are lost: s3:media has them/);
      expect(JSON.parse(out)).toMatchObject({
        outcome: 'failed',
        listed: 2,
        proven: more.length === 0 ? 1 : null,
        failed: 1,
        counts: { metadata: 1, failed: 0 },
        findings: { metadata: [{ key: 'b', reason }] },
      });
      const deep = await crossfade('verify', 's3://media', './out', '--deep', '--repair', '--json');
      expect([deep.code, JSON.parse(deep.out)]).toEqual([
        1,
        expect.objectContaining({
          listed: 2,
          proven: 1,
          failed: 1,
          repaired: expect.objectContaining({ verified: 0 }),
        }),
      ]);
    },
  );

  it('all that are listed being gone proves nothing, with and without --no-verify', async () => {
    for (const more of [[], ['--no-verify']]) {
      place('a', 'b');
      s3.fault = (call, _request, response) => {
        const key = /^GET (media\/[ab])$/.exec(call)?.[1];
        if (key === undefined) return false;
        s3.objects.delete(key);
        return refuse(response, 404, 'NoSuchKey');
      };
      const { code, out, err } = await crossfade('copy', 's3://media', './out', '--json', ...more);
      expect([code, JSON.parse(out)]).toEqual([
        1,
        expect.objectContaining({ outcome: 'nothing', listed: 2, gone: 2, failed: 0 }),
      ]);
      expect(err).toContain('nothing is proven');
    }
  });

  it('what answers 403 to everything fails alone; --repair names it again', async () => {
    place('a', 'b', 'c', 'd', 'e', 'f');
    answers(403, 'AccessDenied', 'c');
    const { code, out, err } = await crossfade('copy', 's3://media', './out', '--json');
    expect(code, err).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ listed: 6, proven: 5, failed: 1, counts: { failed: 1, missing: 0 } });
    const repaired = await crossfade('verify', 's3://media', './out', '--repair', '--json');
    expect([repaired.code, JSON.parse(repaired.out)]).toEqual([
      1,
      expect.objectContaining({ listed: 6, proven: 5, failed: 1, gone: 0 }),
    ]);
    s3.fault = null;
    const healed = await crossfade('verify', 's3://media', './out', '--repair', '--json');
    expect([healed.code, JSON.parse(healed.out)]).toEqual([
      0,
      expect.objectContaining({ outcome: 'done', listed: 6, proven: 6, failed: 0, verified: 5 }),
    ]);
  });

  it('a source that shows a part of itself to the proof is not called proven', async () => {
    const keys = Array.from({ length: 60 }, (_, index) => `song-${String(index).padStart(2, '0')}`);
    place(...keys);
    // Row-level security filters a listing without an error: as if most rows were not there.
    s3.fault = (call) => {
      if (call !== 'GET media/song-59') return false;
      for (const key of keys.slice(0, 50)) s3.objects.delete(`media/${key}`);
      return false;
    };
    const { code, err } = await crossfade('copy', 's3://media', './out', '--concurrency', '1');
    expect(code).toBe(1);
    expect(err).toContain('s3://media listed 50 objects fewer to the proof than to the copy: more than users delete');
  });

  it('a key that the target cannot hold is a finding of a verification too, and ends none', async () => {
    const long = `${'x'.repeat(200)}/`.repeat(6);
    await mkdir(join(folder, 'media', long), { recursive: true });
    await writeFile(join(folder, 'media', long, 'long.wav'), 'x');
    await writeFile(join(folder, 'media', 'good'), 'bytes of good');
    place('good');
    const { code, out, err } = await crossfade('verify', './media', 's3://media', '--json');
    expect(code, err).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      listed: 2,
      proven: 1,
      failed: 1,
      findings: { failed: [{ key: `${long}long.wav`, reason: 'a key takes 1024 bytes, this one has 1214' }] },
    });
  });

  it('keys that R2 would hold as one object are named before anything is copied, and found by verify', async () => {
    const nowhere = 'http://127.0.0.1:9';
    const address = { cloudflare: nowhere, legacy: nowhere, authority: '127.0.0.1:9', resolvers: ['127.0.0.1:9'] };
    const rest = {
      databaseUrl: 'postgresql://user:password@127.0.0.1:9/none',
      edgePort: 9,
      edgeAddress: '127.0.0.1',
      ttlScale: 1,
    };
    const config = smallConfig({ ...address, ...rest, r2: s3.url });
    await writeFile(join(folder, 'small.config.mjs'), `export default ${JSON.stringify(config)};`);
    await mkdir(join(folder, 'media'));
    const alike = ['cafe\u0301.mp3', 'caf\u00e9.mp3'];
    for (const name of [...alike, 'good.mp3']) await writeFile(join(folder, 'media', name), name);
    const ends = ['./media', 'production', '--config', 'small.config.mjs', '--json'];
    const { code, out, err } = await crossfade('copy', ...ends);
    expect(code, err).toBe(1);
    const { listed, proven, failed, findings } = JSON.parse(out);
    expect([listed, proven, failed]).toEqual([3, 1, 2]);
    expect(findings.failed.map(({ key }: { key: string }) => key).toSorted()).toEqual(alike);
    expect(findings.failed[0].reason).toContain('normalises keys to NFC and would hold one object for');
    expect([...s3.objects.keys()].filter((path) => path.endsWith('.mp3'))).toEqual([
      expect.stringContaining('good.mp3'),
    ]);
    const verified = await crossfade('verify', ...ends);
    expect([verified.code, JSON.parse(verified.out)]).toEqual([
      1,
      expect.objectContaining({ listed: 3, proven: 1, failed: 2 }),
    ]);
    const bucket = { label: 'b', bucket: 'b', region: 'auto', accessKeyId: 'a', secretAccessKey: 's' };
    const limits = { connections: 1, partSizeBytes: 5 << 20 };
    const [r2, other] = ['https://0123.eu.r2.cloudflarestorage.com', 'https://s3.eu-west-1.amazonaws.com'].map(
      (endpoint) => openS3Bucket({ ...bucket, ...limits, endpoint }).normalizesKeys,
    );
    expect([r2, other]).toEqual([true, false]);
  });
});

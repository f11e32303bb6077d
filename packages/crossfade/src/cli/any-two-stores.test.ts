import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from '../../../local-cloud/src/supabase/temporary-project.ts';
import { createObjectStore } from '../providers/s3/object-store.ts';
import { metaOf } from '../providers/object-meta.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const README = new URL('../../../../README.md', import.meta.url);
const META = metaOf({ contentType: 'audio/wav', cacheControl: 'max-age=3600' });
/** Two accounts that take each other's keys for wrong. */
let old: TemporaryProject;
let fresh: TemporaryProject;
let folder = '';

beforeAll(async () => {
  [old, fresh] = await Promise.all([
    startTemporaryProject('127.0.0.61', 'canary-old-secret'),
    startTemporaryProject('127.0.0.62', 'canary-new-secret'),
  ]);
  const bucket = bucketOf(old);
  for (const key of ['users/a.wav', 'users/b c+d.wav', 'other.wav'])
    await bucket.put(key, Buffer.from(`bytes of ${key}`), Buffer.byteLength(`bytes of ${key}`), META);
  await bucket.close();
});
afterAll(() => Promise.all([old.close(), fresh.close()]));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-stores-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const bucketOf = ({ s3 }: TemporaryProject) =>
  createObjectStore({ ...s3, label: 'media', bucket: 'media', partSizeBytes: 5 << 20 });

/** Runs a line as a shell would, in an empty folder: there is no config, and none is needed. */
function run(line: string, env: Record<string, string>): Promise<{ code: number; out: string; err: string }> {
  const [crossfade = '', ...args] = line.split(' ');
  expect(crossfade).toBe('crossfade');
  const outside = Object.entries(process.env).filter(([name]) => !/^(AWS|CROSSFADE|SUPABASE)_/.test(name));
  const options = { cwd: folder, env: { ...Object.fromEntries(outside), NO_COLOR: '1', ...env } };
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], options, (error, out, err) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

const variables = (name: string, { s3 }: TemporaryProject): string =>
  [
    `CROSSFADE_STORE_${name}=s3://media`,
    `CROSSFADE_STORE_${name}_ENDPOINT=${s3.endpoint}`,
    `CROSSFADE_STORE_${name}_REGION=${s3.region}`,
    `CROSSFADE_STORE_${name}_ACCESS_KEY_ID=${s3.accessKeyId}`,
    `CROSSFADE_STORE_${name}_SECRET_ACCESS_KEY=${s3.secretAccessKey}`,
    '',
  ].join('\n');

/** The README's own line that begins so; a reader will type nothing else. */
async function lineOfReadme(beginning: string): Promise<string> {
  const text = await readFile(README, 'utf8');
  const line = text.split('\n').find((one) => one.startsWith(beginning));
  if (line === undefined) throw new Error(`README.md has no line that begins with ${beginning}`);
  return line;
}

describe('a copy between any two stores, without a rollout', () => {
  it("goes from one S3 account to another, by the README's line", async () => {
    await writeFile(join(folder, 'stores.env'), `${variables('OLD', old)}${variables('NEW', fresh)}`);
    const { code, out, err } = await run(`${await lineOfReadme('crossfade copy old new')} --json`, {});
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'done', copied: 3, verified: { verified: 3 } });
    const there = bucketOf(fresh);
    expect(await there.head('users/b c+d.wav')).toMatchObject({ meta: { contentType: 'audio/wav' } });
    await there.close();
    expect(`${out}${err}`).not.toContain('canary');
    const verified = await run('crossfade verify old/users new/users --env stores.env --json', {});
    expect([verified.code, JSON.parse(verified.out).verified]).toEqual([0, 2]);
  });

  it("goes from Supabase by its address and key into a folder, by the README's line", async () => {
    const env = { SUPABASE_URL: old.url, SUPABASE_SERVICE_ROLE_KEY: old.serviceKey };
    const { code, out, err } = await run(`${await lineOfReadme('crossfade copy supabase://')} --json`, env);
    expect(code, err).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'done', copied: 3 });
    expect(await readFile(join(folder, 'backup/users/b c+d.wav'), 'utf8')).toBe('bytes of users/b c+d.wav');
    expect(`${out}${err}`).not.toContain(old.serviceKey);
  });

  it('goes by a profile of the AWS files', async () => {
    const { s3 } = old;
    await writeFile(join(folder, 'config'), `[profile old]\nregion = ${s3.region}\nendpoint_url = ${s3.endpoint}\n`);
    await writeFile(
      join(folder, 'credentials'),
      `[old]\naws_access_key_id = ${s3.accessKeyId}\naws_secret_access_key = ${s3.secretAccessKey}\n`,
    );
    const files = { AWS_CONFIG_FILE: join(folder, 'config'), AWS_SHARED_CREDENTIALS_FILE: join(folder, 'credentials') };
    const { code, out, err } = await run('crossfade copy s3://media/users ./users --json', {
      ...files,
      AWS_PROFILE: 'old',
    });
    expect([code, err.includes('canary')], err).toEqual([0, false]);
    expect(JSON.parse(out)).toMatchObject({ outcome: 'done', copied: 2 });
  });

  it('says which variable is missing, in two lines and with exit code 2', async () => {
    await writeFile(join(folder, 'stores.env'), variables('OLD', old));
    const { code, out, err } = await run('crossfade copy old new --env stores.env', {});
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain('there is no store "new": CROSSFADE_STORE_NEW is not set');
    expect(err.trim().split('\n')).toHaveLength(2);
  });
});

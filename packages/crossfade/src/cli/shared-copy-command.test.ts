import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashesOf, startSharedWorld, type SharedWorld } from '../transfer/fixtures/shared-world.ts';
import { metaOf } from '../providers/object-meta.ts';

const OBJECTS = 60;
const META = metaOf({ contentType: 'audio/wav' });
let world: SharedWorld;
let sent: Map<string, string>;

beforeAll(async () => {
  world = await startSharedWorld('127.0.0.59');
  for (const name of ['source', 'target'] as const) await world.startStore(name);
  const source = world.open('source');
  const keys = [
    ...Array.from({ length: OBJECTS }, (_, index) => `users/song ${index}.wav`),
    'users/notes.txt',
    'users2/other.wav',
    'unused.wav',
  ];
  await Promise.all(
    keys.map((key) => source.put(key, Buffer.from(`bytes of ${key}`), Buffer.byteLength(`bytes of ${key}`), META)),
  );
  sent = await hashesOf(source);
  await source.close();
});
afterAll(() => world.close());

async function crossfade(...args: string[]): Promise<{ code: unknown; out: string; err: string }> {
  const child = world.startCommand(args);
  if (child.stdout === null || child.stderr === null) throw new Error('the command has no output');
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  return { code, out, err };
}

async function workers(count: number): Promise<void> {
  for (;;) {
    const { rows } = await world.pool
      .query<{ count: string }>('select count(*) from crossfade.transfer_workers where gone_at is null')
      // The first of them makes the tables.
      .catch(() => ({ rows: [] }));
    if (Number(rows[0]?.count) >= count) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

describe('copy --shared', () => {
  it('copies with two workers what the filters let through, tells how fast each is, and answers as copy does', async () => {
    const others = [world.startWorker(), world.startWorker()];
    const ends = others.map((child) => once(child, 'exit'));
    await workers(2);
    const args = ['copy', 'legacy', 'production', '--shared', '--prefix', 'users', '--exclude', '*.txt'];
    const { code, out, err } = await crossfade(...args, '--manifest', 'shared.jsonl', '--json');
    expect(code, err).toBe(0);
    const wanted = [...sent].filter(([key]) => key.startsWith('users') && !key.endsWith('.txt'));
    const { seconds, transfer, ...answer } = JSON.parse(out);
    expect(answer).toEqual({
      outcome: 'done',
      joined: false,
      from: 'legacy',
      to: 'production',
      listed: wanted.length,
      proven: wanted.length,
      gone: 0,
      unlisted: 0,
      copied: wanted.length,
      bytes: wanted.reduce((sum, [key]) => sum + `bytes of ${key}`.length, 0),
      verified: { objects: wanted.length, bytes: answer.bytes, verified: wanted.length },
      extra: 0,
      failed: 0,
      failures: [],
      manifest: {
        file: join(world.folder, 'shared.jsonl'),
        rows: wanted.length,
        unproven: 0,
        sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      },
      next: ['crossfade verify legacy production'],
    });
    expect([typeof seconds, transfer]).toEqual(['number', expect.stringMatching(/^transfer-/)]);
    // Each worker under the line of the whole; the command's own part may join when all is done.
    expect(err).toMatch(/\d+ of \d+ partitions, \d+ objects, [\d.]+ MiB; \d+\/s/);
    expect(
      new Set(err.match(/^ {2}\S+: \d+\/s [\d.]+ MiB\/s/gm)?.map((line) => line.split(':')[0])).size,
    ).toBeGreaterThanOrEqual(2);
    const target = world.open('target');
    expect(await hashesOf(target)).toEqual(new Map(wanted));
    await target.close();
    const rows = (await readFile(join(world.folder, 'shared.jsonl'), 'utf8')).trim().split('\n');
    expect(rows.map((row) => JSON.parse(row).key).sort()).toEqual(wanted.map(([key]) => key).sort());
    for (const child of others) child.kill('SIGINT');
    expect((await Promise.all(ends)).map(([end]) => end)).toEqual([130, 130]);
  });

  it('nothing that was asked for is no success', async () => {
    const { code, out, err } = await crossfade('copy', 'legacy', 'production', '--shared', '--prefix', 'no', '--json');
    expect([code, JSON.parse(out).outcome], err).toEqual([1, 'nothing']);
  });

  it('Ctrl-C ends it with 130, and says how to join it again', async () => {
    // An open transfer that nobody can finish: its table is locked.
    const client = await world.pool.connect();
    await client.query('begin; lock table crossfade.transfer_partitions in access exclusive mode');
    const child = world.startCommand(['copy', 'legacy', 'production', '--shared', '--json']);
    if (child.stdout === null) throw new Error('the command has no output');
    const [out, ended] = [text(child.stdout), once(child, 'exit')];
    for (;;) {
      const { rows } = await world.pool.query('select 1 from crossfade.transfers where ended_at is null');
      if (rows.length > 0) break;
    }
    child.kill('SIGINT');
    await client.query('rollback');
    client.release();
    expect((await ended)[0]).toBe(130);
    expect(JSON.parse(await out)).toEqual({
      outcome: 'interrupted',
      next: [expect.stringMatching(/^crossfade copy legacy production --shared --json --config /)],
    });
    const { code, out: again, err } = await crossfade('copy', 'legacy', 'production', '--shared', '--json');
    expect(code, err).toBe(0);
    expect(JSON.parse(again)).toMatchObject({ joined: true, verified: { verified: sent.size } });
  });

  it.each([
    ['a bandwidth', ['--bandwidth', '10M'], '--bandwidth does not go with --shared', 'CROSSFADE_ARGUMENT_UNKNOWN', 2],
    ['catching up', ['--until-caught-up'], '--until-caught-up does not go', 'CROSSFADE_ARGUMENT_UNKNOWN', 2],
    ['a pattern that is none', ['--include', '[a'], '"[a" is no pattern', 'CROSSFADE_GLOB_INVALID', 2],
  ])('%s is refused with what to do instead, before anything is begun', async (_name, flags, says, code, exit) => {
    const end = await crossfade('copy', 'legacy', 'production', '--shared', ...flags);
    expect(end).toEqual({ code: exit, out: '', err: expect.stringContaining(says) });
    expect(end.err).toContain(`[${code}]`);
    expect(end.err.trim().split('\n')).toHaveLength(2);
  });

  it('a folder is refused: other machines have another one', async () => {
    const { code, err } = await crossfade('copy', 'legacy', './media', '--shared');
    expect([code, err]).toEqual([2, expect.stringContaining('[CROSSFADE_LOCATION_NOT_SHARED]')]);
  });

  it('a database that does not answer is told with exit code 4', async () => {
    const child = world.startCommand(['copy', 'legacy', 'production', '--shared'], {
      DATABASE_URL: 'postgres://a:canary@127.0.0.1:9/a',
    });
    if (child.stderr === null) throw new Error('the command has no output');
    const [err, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')]);
    expect([code, err]).toEqual([4, expect.stringContaining('[CROSSFADE_DATABASE_UNREACHABLE]')]);
    expect(err).not.toContain('canary');
  });
});

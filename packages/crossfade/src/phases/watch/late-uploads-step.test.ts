import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { toJson } from '../../rollout/json.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { memoryStore } from '../../transfer/fixtures/memory-store.ts';
import { lateUploadsStep } from './late-uploads-step.ts';

/** Production after the switch: both stores hold `a`, and the last catch-up's manifest knows `a` and `deleted`. */
async function production(letGoMs = 5000) {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-late-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const manifest = ['a', 'deleted'].map((key) => `${JSON.stringify({ key })}\n`).join('');
  await writeFile(join(folder, 'transfer-last-catch-up.manifest.jsonl'), manifest);
  const [r2, legacy] = [memoryStore('r2'), memoryStore('legacy')];
  for (const store of [r2, legacy]) store.place('a', 'a');
  const context = {
    providers: { r2: { production: r2 }, legacyStore: legacy },
    placeFor: async (path: string) => join(folder, path.replaceAll('/', '-')),
    signal: new AbortController().signal,
  } as unknown as RolloutContext;
  const step = lateUploadsStep(letGoMs);
  return {
    r2,
    legacy,
    run: async () => toJson(await step.run(context, null)),
    verify: () => step.verify(context, null),
  };
}

describe('the step that carries late uploads', () => {
  it('passes when nothing is late, and does not bring back what was deleted since', async () => {
    const { r2, legacy, run, verify } = await production();
    legacy.place('deleted', 'copied once, then deleted from R2');
    expect(await run()).toEqual({ carried: [], failed: [] });
    expect(await verify()).toMatchObject({
      status: 'pass',
      summary: 'nobody uploads to legacy any more',
      measured: { carried: [], stillComing: [], failed: [] },
    });
    expect([...r2.objects.keys()]).toEqual(['a']);
  });

  it('carries what is late, names it in what is recorded, and passes', async () => {
    const { r2, legacy, run, verify } = await production();
    for (const key of ['users/late.wav', 'users/later.wav']) legacy.place(key, `bytes of ${key}`);
    expect(await run()).toEqual({ carried: ['users/late.wav', 'users/later.wav'], failed: [] });
    expect(r2.objects.get('users/later.wav')?.bytes.toString()).toBe('bytes of users/later.wav');
    expect((await verify()).status).toBe('pass');
  });

  it('carries what comes while it looks as well, and the verdict names it', async () => {
    const { r2, legacy, run, verify } = await production();
    await run();
    legacy.place('users/last.wav', 'bytes');
    const said = await verify();
    expect(said).toMatchObject({ status: 'pass', measured: { carried: ['users/last.wav'], stillComing: [] } });
    expect(said.summary).toContain('users/last.wav');
    expect(r2.objects.has('users/last.wav')).toBe(true);
  });

  it('fails with the keys while somebody goes on to upload to legacy', async () => {
    const { legacy, run, verify } = await production(0);
    await run();
    legacy.place('users/again.wav', 'bytes');
    const said = await verify();
    expect(said).toMatchObject({ status: 'fail', measured: { stillComing: ['users/again.wav'] } });
    expect(said.summary).toBe('1 more reached legacy at last: users/again.wav');
    expect(said.mend).toContain('find out who still writes to legacy');
  });

  it('fails with key and reason when an upload cannot be carried, after it has carried the others', async () => {
    const { r2, legacy, run, verify } = await production(0);
    for (const key of ['users/bad.wav', 'users/good.wav']) legacy.place(key, key);
    const { put } = r2;
    r2.put = async (key, ...rest) => {
      if (key === 'users/bad.wav') throw new Error('r2: PutObject answered 403 (AccessDenied)');
      return put(key, ...rest);
    };
    const failed = [{ key: 'users/bad.wav', reason: 'r2: PutObject answered 403 (AccessDenied)' }];
    expect(await run()).toEqual({ carried: ['users/good.wav'], failed });
    const said = await verify();
    expect(said).toMatchObject({ status: 'fail', measured: { failed } });
    expect(said.summary).toBe('1 could not be carried: users/bad.wav (r2: PutObject answered 403 (AccessDenied))');
    expect(said.mend).toBe('mend what the reasons name, then: crossfade watch');
    r2.put = put;
    expect(await verify()).toMatchObject({ status: 'fail', measured: { carried: ['users/bad.wav'], failed: [] } });
    expect((await verify()).status).toBe('pass');
  });

  it('fails as a whole when legacy cannot be listed: nothing is known then', async () => {
    const { legacy, run, verify } = await production(0);
    legacy.list = () => {
      throw new Error('legacy does not answer');
    };
    await expect(run()).rejects.toThrow('legacy does not answer');
    await expect(verify()).rejects.toThrow('legacy does not answer');
  });
});

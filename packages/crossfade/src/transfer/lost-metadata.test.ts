import { describe, expect, it } from 'vitest';
import { metaOf } from '../providers/object-meta.ts';
import type { ObjectMeta } from '../providers/providers.ts';
import { copyObjects } from './copy.ts';
import type { CopiedObject } from './copy-tools.ts';
import { memoryStore, type MemoryStore } from './fixtures/memory-store.ts';
import { untoldText } from './lost-metadata.ts';
import { repairObjects } from './repair.ts';
import { verifyObjects, type VerifyFinding } from './verify.ts';

const { signal } = new AbortController();
const DESCRIBED = { contentType: 'audio/wav', contentDisposition: 'inline', expires: '0', contentLanguage: null };

function stores(meta: ObjectMeta): { from: MemoryStore; to: MemoryStore } {
  const [from, to] = [memoryStore('legacy'), memoryStore('r2')];
  from.place('lossy', 'bytes of lossy', { meta });
  from.place('plain', 'bytes of plain', { meta: metaOf({ contentType: 'audio/wav' }) });
  return { from, to };
}

/** As Supabase's: takes the headers, and keeps neither. */
function forgetful(to: MemoryStore): MemoryStore {
  const { put } = to;
  const put2: typeof put = (key, body, size, meta, md5) =>
    put(key, body, size, { ...meta, contentDisposition: null, expires: null }, md5);
  return { ...to, put: put2, unheldHeaders: ['contentDisposition', 'contentLanguage', 'expires'] };
}

async function copy(from: MemoryStore, to: MemoryStore): Promise<CopiedObject[]> {
  const copied: CopiedObject[] = [];
  await copyObjects({ from, to, concurrency: 1, signal, onCopied: (one) => void copied.push(one) });
  return copied;
}

async function verify(from: MemoryStore, to: MemoryStore) {
  const findings: VerifyFinding[] = [];
  const onFinding = (one: VerifyFinding): void => void findings.push(one);
  const { account } = await verifyObjects({ from, to, concurrency: 1, deep: true, signal, onFinding });
  return { account, findings };
}

describe('custom values that the source does not tell', () => {
  // Of values that are no ASCII text S3 and Supabase Storage may tell only the number (x-amz-missing-meta).
  it.each([
    [1, '1 custom value is lost: legacy has it and does not tell it'],
    [4, '4 custom values are lost: legacy has them and does not tell them'],
    [null, 'custom values may be lost: legacy does not say how many it leaves out'],
  ])('%s of them are named by a copy, by a deep verification and by a repair', async (untold, reason) => {
    const { from, to } = stores(metaOf({ untold }));
    const [lossy, plain] = await copy(from, to);
    expect([lossy?.untoldMeta, plain]).toEqual([untold, expect.not.objectContaining({ untoldMeta: untold })]);
    expect(untoldText(from.label, lossy?.untoldMeta)).toBe(reason);
    to.objects.set('lossy', { ...(to.objects.get('plain') ?? expect.fail()), ...bytesOf(from, 'lossy') });
    const finding = { kind: 'metadata', key: 'lossy', reason: expect.stringContaining(reason) };
    const { account, findings } = await verify(from, to);
    expect([account, findings]).toEqual([expect.objectContaining({ listed: 2, proven: 1, failed: 1 }), [finding]]);
    for (const deep of [false, true]) {
      const left: VerifyFinding[] = [];
      const onFinding = (one: VerifyFinding): void => void left.push(one);
      const options = { from, to, concurrency: 1, signal };
      const repaired = await repairObjects(keys('lossy'), { copy: options, verify: { ...options, deep, onFinding } });
      expect([repaired.account, left]).toEqual([
        { listed: 1, proven: 0, failed: 1, gone: 0, late: 0 },
        [expect.objectContaining({ ...finding, kind: 'metadata' })],
      ]);
    }
  });

  it('are no loss where the store has copied them by itself, so that both keep as many to themselves', async () => {
    const { from, to } = stores(metaOf({ untold: 2 }));
    await copy(from, to);
    to.objects.set('lossy', { ...(from.objects.get('lossy') ?? expect.fail()) });
    expect(await verify(from, to)).toMatchObject({ account: { proven: 2, failed: 0 }, findings: [] });
  });
});

describe('headers that a target cannot hold', () => {
  it('are named by a copy and by a deep verification, and are no failure', async () => {
    const { from, to: memory } = stores(metaOf(DESCRIBED));
    const to = forgetful(memory);
    const [lossy, plain] = await copy(from, to);
    expect([lossy?.unheld, plain?.unheld]).toEqual([['content-disposition', 'expires'], undefined]);
    expect(await verify(from, to)).toMatchObject({
      account: { listed: 2, proven: 2, failed: 0 },
      findings: [{ kind: 'unheld', key: 'lossy', reason: 'r2 does not hold content-disposition, expires' }],
    });
    // Nobody is told, and nobody counts them as failed.
    const options = { from, to, concurrency: 1, deep: true, signal };
    expect(await verifyObjects(options)).toMatchObject({ verified: 2, failed: [], mismatched: [] });
    const repaired = await repairObjects(keys('lossy', 'plain'), { copy: options, verify: options });
    expect(repaired.account).toMatchObject({ listed: 2, proven: 2, failed: 0 });
  });

  it('are not named where the target holds all', async () => {
    const { from, to } = stores(metaOf(DESCRIBED));
    expect((await copy(from, to)).map(({ unheld }) => unheld)).toEqual([undefined, undefined]);
    expect((await verify(from, to)).findings).toEqual([]);
  });
});

async function* keys(...all: readonly string[]): AsyncGenerator<string> {
  yield* all;
}

function bytesOf(store: MemoryStore, key: string) {
  const { bytes, etag } = store.objects.get(key) ?? expect.fail(key);
  return { bytes, etag };
}

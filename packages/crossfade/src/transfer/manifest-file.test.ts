import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryStore } from './fixtures/memory-store.ts';
import { openManifest } from './manifest.ts';
import { openManifestSource } from './manifest-file.ts';
import { verifyObjects } from './verify.ts';

const { signal } = new AbortController();
let folder: string;
let file: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-manifest-test-'));
  file = join(folder, 'media.jsonl');
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('a manifest as the source of a verification', () => {
  it.each([100_000, 2])(
    'finds what is missing, extra and different, with %i rows in memory at once',
    async (chunkRows) => {
      const source = memoryStore('legacy');
      const target = memoryStore('r2');
      for (const key of ['e', 'a', '💿', 'd', 'b', 'ü', 'c'])
        for (const one of [source, target]) one.place(key, `bytes of ${key}`);
      const manifest = await openManifest(file);
      await verifyObjects({
        from: source,
        to: target,
        concurrency: 3,
        signal,
        onVerified: (one) => manifest.write(one),
      });
      expect(await manifest.close()).toMatchObject({ rows: 7 });
      target.place('b', 'bytes of B');
      target.objects.delete('💿');
      target.place('new', 'new');
      const before = await sortingFolders();
      const opened = await openManifestSource(file, chunkRows);
      const result = await verifyObjects({ from: opened.store, to: target, concurrency: 3, signal });
      await opened.close();
      expect(result).toMatchObject({ objects: 7, verified: 5, missing: ['💿'], extra: ['new'] });
      expect(result.mismatched).toMatchObject([{ key: 'b', reason: 'MD5' }]);
      expect(await sortingFolders()).toEqual(before);
    },
  );

  it('proves by reading what the target names no MD5 of', async () => {
    const target = memoryStore('r2');
    target.place('large', 'bytes', { etag: `${'0'.repeat(32)}-2` });
    await writeFile(file, `${row('large', '4b3a6218bb3e3a7303e8a171a60fcf92')}\n`);
    const opened = await openManifestSource(file);
    const options = { from: opened.store, to: target, concurrency: 1, signal };
    expect(await verifyObjects(options)).toMatchObject({ verified: 1 });
    target.place('large', 'bytez', { etag: `${'0'.repeat(32)}-2` });
    expect(await verifyObjects(options)).toMatchObject({ verified: 0, mismatched: [{ key: 'large', reason: 'MD5' }] });
  });

  it.each([
    ['no JSON', 'nonsense', 'line 2: expected one JSON object, found "nonsense"'],
    ['a row that was cut short', '{"key":"b","si', 'line 2: expected one JSON object'],
    ['no key', '{"size":1,"md5":"x"}', 'line 2: expected a key in key, found undefined'],
    [
      'a size that is none',
      row('b', 'a'.repeat(32)).replace('5', '-1'),
      'line 2: expected a size in bytes in size, found -1',
    ],
    ['no MD5', '{"key":"b","size":5}', 'line 2: expected an MD5 in md5 or in etag, found neither'],
    ['a wrong MD5', '{"key":"b","size":5,"md5":"x"}', 'line 2: expected an MD5 of 32 hex digits in md5, found "x"'],
    ['another document', '[]', 'line 2: expected'],
  ])('a row with %s is told with file and line', async (_name, broken, says) => {
    await writeFile(file, `${row('a', 'a'.repeat(32))}\n${broken}\n`);
    await expect(openManifestSource(file)).rejects.toThrow(`${file}, ${says}`);
  });

  it('a key that comes twice is told', async () => {
    await writeFile(file, `${row('a', 'a'.repeat(32))}\n${row('a', 'b'.repeat(32))}\n`);
    const opened = await openManifestSource(file, 1);
    const options = { from: opened.store, to: memoryStore('r2'), concurrency: 1, signal };
    await expect(verifyObjects(options)).rejects.toThrow('the key "a" comes twice');
    await opened.close();
  });
});

function row(key: string, md5: string): string {
  return JSON.stringify({ key, size: 5, etag: 'x', md5, verifiedBy: 'md5-etags' });
}

async function sortingFolders(): Promise<string[]> {
  return (await readdir(tmpdir())).filter((name) => name.startsWith('crossfade-manifest-') && !name.includes('test'));
}

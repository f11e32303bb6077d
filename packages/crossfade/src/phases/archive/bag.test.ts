import { mkdtemp, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { verifyBag, writeBag } from './bag.ts';

let root: string;
let folder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossfade-bag-'));
  folder = join(root, 'bag');
  const files = [
    { path: 'production/deployment/journal.ndjson', content: '{"seq":1}\n' },
    { path: 'migration/picture.png', content: new Uint8Array([137, 80, 78, 71]) },
  ];
  expect(await writeBag(folder, files, { 'External-Identifier': 'a-rollout' })).toEqual({ files: 2, bytes: 14 });
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('an archive', () => {
  it('is whole when it is read anew', async () => {
    expect(await verifyBag(folder)).toEqual({ files: 2, wrong: [] });
  });

  it('names a file whose bytes changed', async () => {
    await writeFile(join(folder, 'data/migration/picture.png'), new Uint8Array([137, 80, 78, 72]));
    expect((await verifyBag(folder)).wrong).toEqual(['data/migration/picture.png: other bytes than the manifest says']);
  });

  it('names a file that is gone, and one that was put in', async () => {
    await unlink(join(folder, 'data/migration/picture.png'));
    await writeFile(join(folder, 'data/migration/extra.txt'), 'x');
    expect((await verifyBag(folder)).wrong.toSorted()).toEqual([
      'data/migration/extra.txt: not in the manifest',
      'data/migration/picture.png: missing',
    ]);
  });

  it('names a manifest that was rewritten', async () => {
    await writeFile(join(folder, 'manifest-sha256.txt'), '');
    expect((await verifyBag(folder)).wrong).toContain('manifest-sha256.txt: other bytes than the manifest says');
  });

  it('replaces one that a killed controller left half written', async () => {
    await writeBag(folder, [{ path: 'only.txt', content: 'x' }], {});
    expect(await verifyBag(folder)).toEqual({ files: 1, wrong: [] });
  });
});

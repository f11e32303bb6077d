import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { metaOf, type ObjectMeta } from '../providers/object-meta.ts';
import type { ObjectStore } from '../providers/providers.ts';
import { refusedByFolders } from './folder-keys.ts';
import { createFolderStore } from './folder-store.ts';

const RICH = metaOf({
  contentType: 'audio/x-own',
  cacheControl: 'max-age=60',
  contentDisposition: `attachment; filename="a.mp3"; filename*=UTF-8''%C3%A9.mp3`,
  contentEncoding: 'gzip',
  contentLanguage: 'de',
  expires: 'never',
  custom: { artist: 'Beyoncé', constructor: 'mine', mtime: '1000000000' },
});
let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-folder-meta-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (path = ''): ObjectStore => createFolderStore({ path: join(folder, path), label: path });
const put = (store: ObjectStore, key: string, meta: ObjectMeta): Promise<unknown> =>
  store.put(key, Buffer.from(key), Buffer.byteLength(key), meta);

async function keysOf(store: ObjectStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list()) keys.push(key);
  return keys;
}
const metaAt = async (store: ObjectStore, key: string): Promise<ObjectMeta | undefined> =>
  (await store.head(key))?.meta;

describe('metadata of files in a folder', () => {
  it('keeps all six system headers and every custom one, whatever it is called', async () => {
    await put(at(), 'a.mp3', RICH);
    expect(await metaAt(at(), 'a.mp3')).toEqual(RICH);
  });

  it('is found when the copy is read from a folder above the one that it was made into', async () => {
    await put(at('users/u1'), 'songs/a.mp3', RICH);
    expect(await keysOf(at())).toEqual(['users/u1/songs/a.mp3']);
    expect(await metaAt(at(), 'users/u1/songs/a.mp3')).toEqual(RICH);
    expect(await metaAt(at('users'), 'u1/songs/a.mp3')).toEqual(RICH);
  });

  it('is found when the copy is read from a folder below it', async () => {
    await put(at(), 'users/u1/a.mp3', RICH);
    expect(await keysOf(at('users'))).toEqual(['u1/a.mp3']);
    expect(await metaAt(at('users'), 'u1/a.mp3')).toEqual(RICH);
    expect(await metaAt(at('users/u1'), 'a.mp3')).toEqual(RICH);
  });

  it('is that of the last copy, whichever folder each was made into', async () => {
    const [first, last] = [metaOf({ ...RICH, cacheControl: 'first' }), metaOf({ ...RICH, cacheControl: 'last' })];
    const guessed = metaOf({ contentType: 'audio/mpeg', custom: { mtime: '1000000000' } });
    for (const [inner, outer] of [
      [first, last],
      [RICH, guessed],
    ] as const) {
      await put(at('u1'), 'a.mp3', inner);
      await put(at(), 'u1/a.mp3', outer);
      expect(await metaAt(at(), 'u1/a.mp3')).toEqual(outer);
      await put(at('u1'), 'a.mp3', inner);
      expect(await metaAt(at(), 'u1/a.mp3')).toEqual(inner);
    }
    await put(at(), 'u2/a.mp3', RICH);
    await put(at('u2'), 'a.mp3', guessed);
    expect(await metaAt(at(), 'u2/a.mp3')).toEqual(guessed);
  });

  it('is no object at any depth, and no key may be called like it', async () => {
    await put(at('deep/er'), 'a.mp3', RICH);
    await put(at('deep'), 'b.mp3', RICH);
    expect(await keysOf(at())).toEqual(['deep/b.mp3', 'deep/er/a.mp3']);
    for (const key of ['.crossfade/x', 'a/.crossfade/meta/x.json', 'a/.CrossFade', '.crossfade/'])
      await expect(put(at(), key, RICH), key).rejects.toThrow("is Crossfade's own");
    expect(await keysOf(at())).toEqual(['deep/b.mp3', 'deep/er/a.mp3']);
  });

  it('is not read behind a link', async () => {
    await put(at('elsewhere'), 'a.mp3', RICH);
    await mkdir(join(folder, 'here'));
    await writeFile(join(folder, 'here/a.mp3'), 'x');
    await symlink(join(folder, 'elsewhere/.crossfade'), join(folder, 'here/.crossfade'));
    expect(await metaAt(at('here'), 'a.mp3')).toMatchObject({ contentType: 'audio/mpeg', cacheControl: null });
    await expect(put(at('here'), 'b.mp3', RICH)).rejects.toThrow('is a link');
    expect(await readdir(join(folder, 'elsewhere/.crossfade'))).toEqual(['meta', 'unfinished']);
  });

  it('that an earlier version wrote is still read', async () => {
    await writeFile(join(folder, 'a.mp3'), 'x');
    const name = createHash('sha256').update('a.mp3').digest('hex');
    const path = join(folder, '.crossfade/meta', name.slice(0, 2), `${name}.json`);
    await mkdir(dirname(path), { recursive: true });
    const custom = { artist: 'Ada', mtime: '5' };
    await writeFile(path, JSON.stringify({ key: 'a.mp3', contentType: 'audio/x', cacheControl: 'no-cache', custom }));
    expect(await metaAt(at(), 'a.mp3')).toEqual(metaOf({ contentType: 'audio/x', cacheControl: 'no-cache', custom }));
  });
});

describe('a folder, for any key', () => {
  const part = fc.oneof(
    { weight: 3, arbitrary: fc.string({ unit: 'grapheme', maxLength: 12 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 6 }) },
    fc.constantFrom(
      '.',
      '..',
      '',
      ' ',
      'a',
      '%2F',
      '%',
      '100%25 sure',
      '~',
      '.crossfade',
      'é',
      'e\u0301',
      'x'.repeat(256),
    ),
  );
  const key = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));

  it('gives back the same key, bytes and metadata, or refuses it by name', async () => {
    let round = 0;
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 6 }), async (keys) => {
        const path = `round-${round++}`;
        const held = new Map<string, ObjectMeta>();
        for (const one of keys) {
          const meta = metaOf({ contentType: 'audio/x-own', custom: { for: JSON.stringify(one), mtime: '1' } });
          try {
            await at(path).put(
              one,
              Readable.from([Buffer.from(one)]),
              one.endsWith('/') ? 0 : Buffer.byteLength(one),
              meta,
            );
            held.set(one, meta);
          } catch (error) {
            // Refused by its name alone, or since another key of these is a folder where this one is a file.
            const clash = /a folder cannot hold (both|it)|bytes: a folder/.test(String(error));
            expect(refusedByFolders(one) !== null || clash, String(error)).toBe(true);
          }
        }
        const keysThere = await keysOf(at(path));
        expect(new Set(keysThere)).toEqual(new Set(held.keys()));
        for (const [one, meta] of held) {
          const found = await at(path).get(one);
          const chunks: Buffer[] = [];
          for await (const chunk of found?.body ?? []) chunks.push(Buffer.from(chunk));
          expect(Buffer.concat(chunks).toString()).toBe(one.endsWith('/') ? '' : one);
          expect(await metaAt(at(path), one)).toMatchObject({ contentType: meta.contentType });
        }
        // Nothing came to lie outside of the folder.
        expect((await readdir(folder)).every((name) => name.startsWith('round-'))).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectMeta, ObjectStore } from '../providers/providers.ts';
import { refusedByFolders } from './folder-keys.ts';
import { createFolderStore } from './folder-store.ts';
import { copyObjects } from './copy.ts';
import { memoryStore } from './fixtures/memory-store.ts';
import { compareKeys } from './key-range.ts';
import { metaOf, NO_META } from '../providers/object-meta.ts';

const META: ObjectMeta = metaOf({ contentType: 'audio/x-own', cacheControl: 'max-age=60', custom: { artist: 'Ada' } });
const PLAIN: ObjectMeta = NO_META;
/** Memory where there is some: thousands of files are made. */
const places = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
let folder: string;
let root: string;
let skipped: Map<string, string>;
let store: ObjectStore;

beforeEach(async () => {
  folder = await mkdtemp(join(places, 'crossfade-folder-'));
  root = join(folder, 'media');
  skipped = new Map();
  store = createFolderStore({ path: root, label: './media', onSkipped: (path, why) => skipped.set(path, why) });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function keysOf(prefix?: string, after?: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const one of store.list(prefix, after)) keys.push(one.key);
  return keys;
}

async function bytesOf(key: string, range?: { start: number; end: number }): Promise<string | null> {
  const opened = await store.get(key, range);
  if (opened === null) return null;
  const chunks: Buffer[] = [];
  for await (const chunk of opened.body) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

const put = (key: string, text: string, meta = PLAIN) =>
  store.put(key, Buffer.from(text), Buffer.byteLength(text), meta);

describe('a folder as an object store', () => {
  it.each(['a.wav', 'with space/ü ё 歌.wav', '+%2F?&=#.txt', '-rf', '.hidden', '💿/𝒳'])(
    'keeps %j with its bytes and all of its metadata, and forgets it',
    async (key) => {
      await put(key, `bytes of ${key}`, META);
      expect(await bytesOf(key)).toBe(`bytes of ${key}`);
      expect(await bytesOf(key, { start: 1, end: 3 })).toBe('yte');
      expect(await store.head(key)).toMatchObject({ key, size: Buffer.byteLength(`bytes of ${key}`), meta: META });
      expect(await keysOf()).toEqual([key]);
      expect(await store.md5?.(key)).toBe(createHash('md5').update(`bytes of ${key}`).digest('hex'));
      await store.delete(key);
      await store.delete(key);
      expect([await store.head(key), await store.get(key), await keysOf()]).toEqual([null, null, []]);
    },
  );

  it('lists any keys in byte order, from any prefix and past any key', async () => {
    const name = fc.string({
      unit: fc.constantFrom('a', 'b', '-', '.x', '0', 'ü', '￿', '😀'),
      minLength: 1,
      maxLength: 2,
    });
    const key = fc.array(name, { minLength: 1, maxLength: 3 }).map((names) => names.join('/'));
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(key, { maxLength: 12 }), key, key, async (wanted, prefix, after) => {
        await rm(root, { recursive: true, force: true });
        store = createFolderStore({ path: root, label: './media' });
        // Two that cannot lie in one folder are not what is tried here.
        const keys = wanted.filter((one) => !wanted.some((other) => other.startsWith(`${one}/`)));
        for (const one of keys) await put(one, 'x');
        const sorted = keys.toSorted(compareKeys);
        expect(await keysOf()).toEqual(sorted);
        expect(await keysOf('', after)).toEqual(sorted.filter((one) => compareKeys(one, after) > 0));
        expect(await keysOf(prefix)).toEqual(sorted.filter((one) => one.startsWith(prefix)));
      }),
      { numRuns: 25 },
    );
  });

  it('guesses the type of a file that it did not write, and writes nothing for metadata that is guessed', async () => {
    await mkdir(root);
    await writeFile(join(root, 'track.mp3'), 'x');
    await writeFile(join(root, 'unknown'), 'x');
    expect(await store.head('track.mp3')).toMatchObject({ meta: { contentType: 'audio/mpeg', cacheControl: null } });
    expect(await store.head('unknown')).toMatchObject({ meta: { contentType: null } });
    await put('other.mp3', 'x', metaOf({ contentType: 'audio/mpeg' }));
    expect(await readdir(join(root, '.crossfade'))).toEqual(['meta', 'unfinished']);
    expect(await readdir(join(root, '.crossfade/meta'))).toEqual([]);
  });

  it('keeps objects of no bytes, and folder markers, which a plain folder is not', async () => {
    await put('empty', '');
    await put('marked/', '', META);
    await mkdir(join(root, 'plain'));
    expect(await keysOf()).toEqual(['empty', 'marked/']);
    expect([await bytesOf('empty'), await bytesOf('marked/'), await bytesOf('plain/')]).toEqual(['', '', null]);
    expect(await store.head('marked/')).toMatchObject({ size: 0, meta: META });
    await expect(put('full/', 'bytes')).rejects.toThrow('full/ ends in a slash and holds 5 bytes');
    await put('marked/below', 'x');
    await store.delete('marked/');
    expect(await keysOf()).toEqual(['empty', 'marked/below']);
  });

  it('puts nothing in place of a file until the new one is whole', async () => {
    await put('a.wav', 'old');
    const broken = Readable.from(
      (async function* () {
        yield Buffer.from('ne');
        throw new Error('the connection was reset');
      })(),
      { objectMode: false },
    );
    await expect(store.put('a.wav', broken, 3, PLAIN)).rejects.toThrow('the connection was reset');
    await expect(store.put('a.wav', Buffer.from('ne'), 3, PLAIN)).rejects.toThrow(
      '2 bytes of a.wav came, 3 were announced',
    );
    expect(await bytesOf('a.wav')).toBe('old');
    expect(await readdir(join(root, '.crossfade/unfinished'))).toEqual([]);
  });

  it('gives a file the time of its original, which it tells again; a file that was put there tells its own', async () => {
    await put('old.wav', 'x', { ...PLAIN, custom: { mtime: '1000000000.5' } });
    expect((await stat(join(root, 'old.wav'))).mtimeMs).toBe(1_000_000_000_500);
    await writeFile(join(root, 'own.wav'), 'x');
    await utimes(join(root, 'own.wav'), 2_000_000_000, 1_234_567_890.25);
    expect(await store.head('old.wav')).toMatchObject({ meta: { custom: { mtime: '1000000000.5' } } });
    expect(await store.head('own.wav')).toMatchObject({ meta: { custom: { mtime: '1234567890.25' } } });
    const opened = await store.get('own.wav');
    opened?.body.destroy();
    expect(opened?.meta.custom).toEqual({ mtime: '1234567890.25' });
  });

  it.each(['soon', '', '1e300', 'NaN'])('takes no time from an mtime that is none: %j', async (mtime) => {
    await put('a.wav', 'x', { ...PLAIN, custom: { mtime } });
    expect(Math.abs((await stat(join(root, 'a.wav'))).mtimeMs - Date.now())).toBeLessThan(60_000);
    expect(await store.head('a.wav')).toMatchObject({ meta: { custom: { mtime } } });
  });

  it.each(['1000000000', '4000000000'])('is caught up whatever the time of the original (%s)', async (mtime) => {
    const from = memoryStore('r2');
    const meta = { ...PLAIN, custom: { mtime } };
    const at = (ms: number): string => new Date(Date.now() + ms).toISOString();
    from.place('a.wav', 'first', { meta, lastModified: at(-60_000) });
    const copy = () => copyObjects({ from, to: store, concurrency: 2, signal: new AbortController().signal });
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(await copy()).toMatchObject({ copied: 0, present: 1 });
    from.place('a.wav', 'other', { meta, lastModified: at(1000) });
    expect(await copy()).toMatchObject({ copied: 1, failed: [] });
    expect(await bytesOf('a.wav')).toBe('other');
  });

  it('shows by another ETag that a file was written, even with the same size and time', async () => {
    await put('a.wav', 'old');
    const before = await store.head('a.wav');
    await writeFile(join(root, 'a.wav'), 'new');
    const time = new Date(before?.lastModified ?? 0);
    await utimes(join(root, 'a.wav'), time, time);
    expect((await store.head('a.wav'))?.etag).not.toBe(before?.etag);
  });
});

describe('what a folder cannot hold', () => {
  it.each([
    ['../out', 'would leave the folder'],
    ['a/../../out', 'would leave the folder'],
    ['/etc/passwd', 'would leave the folder'],
    ['nul\0byte', 'a file name cannot hold a NUL'],
    ['a//b', 'a folder cannot hold an empty name'],
    ['a/./b', 'a folder cannot hold an empty name or a dot'],
    ['', 'an empty key is no file name'],
    ['.crossfade/meta/x', "is Crossfade's own"],
    [`${'x'.repeat(256)}/y`, 'a file name takes 255 bytes, one part of this key has 256'],
    ['ü'.repeat(128), 'one part of this key has 256'],
  ])('%j is refused in words, before anything is written', async (key, says) => {
    expect(refusedByFolders(key)).toContain(says);
    await expect(put(key, 'x')).rejects.toThrow(says);
    expect([await store.head(key), await store.get(key)]).toEqual([null, null]);
    await expect(readdir(folder)).resolves.toEqual([]);
  });

  it('a key of 1,024 bytes is held when its parts are short enough', async () => {
    const key = Array.from({ length: 5 }, () => 'x'.repeat(204)).join('/');
    expect(Buffer.byteLength(key)).toBe(1024);
    await put(key, 'long');
    expect(await bytesOf(key)).toBe('long');
  });

  it('a key that is a file and a folder at once is named, whichever came first', async () => {
    await put('a', 'file');
    await expect(put('a/b', 'x')).rejects.toThrow('a part of a/b is a file in ./media: a folder cannot hold both');
    await put('c/d', 'x');
    await expect(put('c', 'file')).rejects.toThrow('c is a folder in ./media, because of keys below it');
    expect(await keysOf()).toEqual(['a', 'c/d']);
  });

  it('two keys that differ only in case are named on a disk that does not tell them apart', async () => {
    // Such a disk finds the file under either spelling, and tells the one that it was made with.
    await mkdir(root);
    await writeFile(join(root, 'Song.wav'), 'one');
    await writeFile(join(root, 'song.wav'), 'one');
    store = createFolderStore({ path: root, label: './media', spelledOnDisk: async () => 'Song.wav' });
    await expect(put('song.wav', 'other')).rejects.toThrow('song.wav and Song.wav differ only in case');
    await put('Song.wav', 'again');
    expect([await bytesOf('Song.wav'), await bytesOf('song.wav')]).toEqual(['again', 'one']);
  });

  it('and they are two objects on a disk that does', async () => {
    await Promise.all([put('Song.wav', 'one'), put('song.wav', 'two')]);
    expect([await bytesOf('Song.wav'), await bytesOf('song.wav')]).toEqual(['one', 'two']);
  });

  it('nothing is read or written through a link, and each link is told', async () => {
    const outside = join(folder, 'outside');
    await mkdir(outside);
    await mkdir(root);
    await writeFile(join(outside, 'secret'), 'secret');
    await symlink(outside, join(root, 'link'));
    await symlink(join(outside, 'secret'), join(root, 'file'));
    expect(await keysOf()).toEqual([]);
    expect([...skipped.keys()].sort()).toEqual(['file', 'link']);
    expect([await store.get('link/secret'), await store.get('file'), await store.head('link/secret')]).toEqual([
      null,
      null,
      null,
    ]);
    await expect(put('link/new', 'x')).rejects.toThrow('is a link that leads out of ./media');
    await expect(put('link/deep/new', 'x')).rejects.toThrow('is a link that leads out of ./media');
    // A link in the way of an object is replaced, not followed.
    await put('file', 'own');
    expect([await readFile(join(outside, 'secret'), 'utf8'), await readdir(outside)]).toEqual(['secret', ['secret']]);
  });

  it('a name that is no UTF-8 is told, and the others are listed', async () => {
    await put('good', 'x');
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x62, 0xff])]), 'x');
    expect(await keysOf()).toEqual(['good']);
    expect([...skipped.values()]).toEqual(['the file name is no UTF-8, which a key has to be']);
  });

  it('a folder that may not be read is told, and the others are listed', async () => {
    await put('closed/a', 'x');
    await put('open/b', 'x');
    await chmod(folder, 0o755);
    await chmod(join(root, 'closed'), 0o000);
    await asNobody(async () => expect(await keysOf()).toEqual(['open/b']));
    expect(skipped.get('closed/')).toMatch(/^the folder cannot be read: .*EACCES/);
  });

  it('a file that may not be read fails by itself, with its reason', async () => {
    await put('a', 'x');
    await chmod(folder, 0o755);
    await chmod(join(root, 'a'), 0o000);
    await asNobody(async () => expect(store.get('a')).rejects.toThrow('EACCES'));
  });
});

/** Root may read everything: there, somebody else looks. */
async function asNobody(look: () => Promise<unknown>): Promise<void> {
  const root = process.getuid?.() === 0;
  if (root) process.seteuid?.(65_534);
  try {
    await look();
  } finally {
    if (root) process.seteuid?.(0);
  }
}

import { describe, expect, it } from 'vitest';
import { browserMemory, parseEntry } from './upload-memory.ts';

/** As much of a browser's storage as is used, full after `room` characters. */
function storageOf(room = Infinity): Storage {
  const kept = new Map<string, string>();
  return {
    get length() {
      return kept.size;
    },
    key: (index) => [...kept.keys()][index] ?? null,
    getItem: (name) => kept.get(name) ?? null,
    setItem(name, text) {
      if (text.length > room) throw new DOMException('full', 'QuotaExceededError');
      kept.set(name, text);
    },
    removeItem: (name) => void kept.delete(name),
    clear: () => kept.clear(),
  };
}

const FILE = { name: 'a/set.wav', size: 25, lastModified: 7 };
const unfinished = (expiresAt = new Date(Date.now() + 60_000).toISOString()) => ({
  key: 'users/u/uploads/x.wav',
  uploadId: 'ticket',
  partSizeBytes: 10,
  parts: 3,
  done: [{ part: 2, etag: 'e2' }],
  expiresAt,
});

describe('what is unfinished', () => {
  it('is found again by the same file, for the same user alone', () => {
    const storage = storageOf();
    const mine = browserMemory('me@example.com', storage);
    mine.set(FILE, unfinished());
    const later = browserMemory('me@example.com', storage);
    expect(later.get(FILE)).toMatchObject({ uploadId: 'ticket', done: [{ part: 2, etag: 'e2' }] });
    expect(later.list()).toMatchObject([{ file: FILE, unfinished: { parts: 3 } }]);
    expect(later.get({ ...FILE, lastModified: 8 })).toBeNull();
    const other = browserMemory('you@example.com', storage);
    expect([other.get(FILE), other.list()]).toEqual([null, []]);
    mine.set(FILE, null);
    expect(later.list()).toEqual([]);
  });

  it('is forgotten when the bucket has forgotten it', () => {
    const storage = storageOf();
    const memory = browserMemory('me@example.com', storage);
    memory.set(FILE, unfinished(new Date(Date.now() - 1).toISOString()));
    expect(memory.get(FILE)).toBeNull();
    expect([memory.list(), storage.length]).toEqual([[], 0]);
  });

  it.each([
    ['no JSON', '{'],
    ['null', 'null'],
    ['an older shape', JSON.stringify({ ...unfinished(), size: 25 })],
    ['a part without its ETag', JSON.stringify({ ...FILE, ...unfinished(), done: [{ part: 1 }] })],
    ['a time that is none', JSON.stringify({ ...FILE, ...unfinished('soon') })],
  ])('is not believed when it is %s', (_name, text) => {
    expect(parseEntry(text)).toBeNull();
  });

  it('is simply not kept where the browser keeps nothing', () => {
    const full = browserMemory('me@example.com', storageOf(10));
    full.set(FILE, unfinished());
    expect(full.get(FILE)).toBeNull();
    const forbidden = browserMemory('me@example.com', null);
    forbidden.set(FILE, unfinished());
    expect([forbidden.get(FILE), forbidden.list()]).toEqual([null, []]);
  });
});

import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { refusedByStorage } from './storage-keys.ts';

it.each([
  ['ü.wav', '"ü"'],
  ['a#b', '"#"'],
  ['a[1].wav', '"["'],
  ['100%.wav', '"%"'],
  ['~a', '"~"'],
  ['a\nb', '"\\n"'],
  ['ends in a newline\n', '"\\n"'],
  ['🎵', '"🎵"'],
  ['', 'empty'],
  ['a'.repeat(1025), '1025'],
])('names what Supabase Storage does not take in %j', (key, word) => {
  expect(refusedByStorage(key)).toContain(word);
});

it("takes what the server's own expression takes, and nothing else", () => {
  // supabase/storage 1.11.2, src/storage/limits.ts, isValidKey.
  const real = /^(\w|\/|!|-|\.|\*|'|\(|\)| |&|\$|@|=|;|:|\+|,|\?)*$/;
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }), (key) => {
      expect(refusedByStorage(key) === null).toBe(real.test(key));
    }),
    { numRuns: 2000 },
  );
});

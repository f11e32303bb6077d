import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkKey, keyOfPath } from './keys.ts';
import { whyUnservable } from './servable-key.ts';
import { mediaPath } from './signed-url.ts';

/** The key that comes out of a link to it, after a URL parser between the reader and the Worker has had its way. */
const overTheWire = (key: string): string => keyOfPath(new URL(`https://media.example${mediaPath(key)}`).pathname);

describe('a key of legacy', () => {
  // Dots that climb nowhere were refused elsewhere too: dotCMS#33785, filebrowser#2024.
  it.each([
    'library/originals/Wait... what.mp3',
    'library/originals/a..b.wav',
    'library/originals/5 p.m..wav',
    'library/originals/..lead.mp3',
    'library/originals/.hidden',
    'library/originals/...',
    'library/originals/100%25 sure.mp3',
    'library/originals/100%2Foff.mp3',
    'library/originals/50%.mp3',
    'library/originals/%2e%2emp3',
    'library/originals/a\\b.mp3',
    'library/originals/what? #1 & more+plus;a=b,c@d:e$!*\'()[]{}^`|~"<>.mp3',
    'library/originals/ blank at both ends ',
    'library/originals/Déjà vu.mp3',
    'library/originals/De\u0301ja\u0300 vu.mp3',
    'library/originals/音楽.mp3',
    'library/originals/🎵.mp3',
    'library/originals/ends-in-a-slash/',
    'users/u1/.emptyFolderPlaceholder',
  ])('%j is served, and its link leads to it', (key) => {
    expect(whyUnservable(key)).toBeNull();
    expect(overTheWire(key)).toBe(key);
  });

  it.each([
    ['library/x/../y', 'has a whole segment "." or "..", which URLs resolve'],
    ['library/..', 'has a whole segment "." or "..", which URLs resolve'],
    ['library/./x', 'has a whole segment "." or "..", which URLs resolve'],
    ['users/%2e%2e/x', 'has a whole segment "." or "..", which URLs resolve'],
    ['users/.%2E/x', 'has a whole segment "." or "..", which URLs resolve'],
    ['library//x', 'holds "//", which Cloudflare makes one slash of'],
    ['library/', 'names no file after its prefix'],
    ['library', 'begins with none of library/, users/, sessions/'],
    ['backup/x.sql', 'begins with none of library/, users/, sessions/'],
    ['/library/x', 'begins with none of library/, users/, sessions/'],
    ['', 'begins with none of library/, users/, sessions/'],
    ['library/a\u0000b', 'holds a control character'],
    ['library/a\nb', 'holds a control character'],
    ['library/a\ud800b', 'is not valid Unicode (half of a surrogate pair)'],
  ])('%j is not served, and why is told', (key, why) => {
    expect(whyUnservable(key)).toBe(why);
  });

  it('may have as many bytes as R2 takes, counted in UTF-8', () => {
    const latin = `library/${'x'.repeat(1016)}`;
    const wide = `library/a${'音'.repeat(338)}b`;
    for (const key of [latin, wide]) {
      expect(overTheWire(key)).toBe(key);
      expect(whyUnservable(`${key}b`)).toBe('has 1025 bytes of UTF-8, and R2 takes at most 1024');
    }
  });
});

// Made of what makes keys go wrong, so that runs of it are common.
const piece = fc.oneof(
  fc.constantFrom('.', '..', '/', '//', '%', '%2e', '%2F', '%25', '\\', ' ', '+', '?', '#', '\n', 'é', 'e\u0301'),
  fc.string({ unit: 'binary', maxLength: 4 }),
);
const keys = fc
  .tuple(fc.constantFrom('library/', 'users/u1/', 'sessions/', 'other/'), fc.array(piece, { maxLength: 12 }))
  .map(([prefix, pieces]) => prefix + pieces.join(''));

describe('any key', () => {
  it('is either refused with a reason or reaches the Worker as it was, byte for byte', () => {
    fc.assert(
      fc.property(keys, (key) => {
        if (whyUnservable(key) === null) expect(overTheWire(key)).toBe(key);
        else expect(() => checkKey(key)).toThrow();
      }),
      { numRuns: 2000 },
    );
  });

  it('is refused for its dots only where a whole segment is "." or ".."', () => {
    const segment = fc.string({ unit: fc.constantFrom('.', 'a', ' '), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 5 }), (segments) => {
        const climbs = segments.some((one) => one === '.' || one === '..');
        expect(whyUnservable(`library/${segments.join('/')}`) !== null).toBe(climbs);
      }),
    );
  });
});

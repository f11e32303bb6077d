import { describe, expect, it } from 'vitest';
import { LocationError, overlap, parseLocation, refusedBy } from './location.ts';

describe('a location', () => {
  it.each([
    ['legacy', { kind: 'named', name: 'legacy', prefix: '' }],
    ['production/users/ada', { kind: 'named', name: 'production', prefix: 'users/ada/' }],
    ['s3://media', { kind: 's3', bucket: 'media', prefix: '' }],
    ['s3://media/users/', { kind: 's3', bucket: 'media', prefix: 'users/' }],
    ['./media', { kind: 'folder', path: '/home/ada/media' }],
    ['..', { kind: 'folder', path: '/home' }],
    ['/srv/media/', { kind: 'folder', path: '/srv/media' }],
    ['file:///srv/my%20media', { kind: 'folder', path: '/srv/my media' }],
  ])('%s is read', (text, expected) => {
    expect(parseLocation(text, '/home/ada')).toEqual(expected);
  });

  it.each([
    ['', 'an empty location'],
    ['s3://', '"" is no name of a bucket'],
    ['s3://key:secret@media/x', 'credentials do not belong in an address'],
    ['gs://media', 'there are no gs:// locations'],
    ['file://host/srv', 'is no folder'],
    ['Legacy', '"Legacy" is no location'],
    ['my media', '"my media" is no location'],
  ])('%j is none, and what can be written is said', (text, says) => {
    const parse = (): unknown => parseLocation(text, '/home/ada');
    expect(parse).toThrow(LocationError);
    expect(parse).toThrow(says);
    expect(parse).not.toThrow('secret@');
  });
});

describe('two places', () => {
  it.each([
    ['the same', 'media', '', 'media', '', true],
    ['one in the other', 'media', 'users/', 'media', '', true],
    ['the other in the one', 'media', '', 'media', 'users/', true],
    ['side by side', 'media', 'users/', 'media', 'users2/', false],
    ['of two stores', 'media', '', 'other', '', false],
  ])('%s', (_name, rootA, pathA, rootB, pathB, expected) => {
    expect(overlap({ root: rootA, path: pathA }, { root: rootB, path: pathB })).toBe(expected);
  });
});

describe('what a store cannot hold', () => {
  it.each([
    ['supabase', 'users/ü.wav', 'Supabase Storage takes no "ü" in a key'],
    ['supabase', 'a%2Fb', 'Supabase Storage takes no "%" in a key'],
    ['supabase', 'a#b', 'takes no "#"'],
    ['s3', 'x'.repeat(1025), 'a key takes 1024 bytes, this one has 1025'],
    ['folder', '../x', 'would leave the folder'],
  ] as const)('%s: %s', (kind, key, says) => {
    expect(refusedBy(kind, key)).toContain(says);
  });

  it.each([
    ['supabase', "a/B_0!-.*'() &$=@;:+,?"],
    ['s3', 'ü%2F?+ 💿'],
    ['s3', 'x'.repeat(1024)],
    ['folder', 'ü%2F?+ 💿'],
  ] as const)('%s holds %s', (kind, key) => {
    expect(refusedBy(kind, key)).toBeNull();
  });
});

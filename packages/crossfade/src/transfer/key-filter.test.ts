import { describe, expect, it } from 'vitest';
import { GlobError, keyFilter } from './key-filter.ts';

const KEYS = ['a.wav', 'users/1/b.wav', 'users/1/c.txt', 'users/2/.hidden', 'users/2/[x].wav', 'users/2/d e+%2F?.wav'];

describe('a filter', () => {
  it.each([
    [['*.wav'], [], ['a.wav', 'users/1/b.wav', 'users/2/[x].wav', 'users/2/d e+%2F?.wav']],
    [['users/**'], ['*.txt'], ['users/1/b.wav', 'users/2/.hidden', 'users/2/[x].wav', 'users/2/d e+%2F?.wav']],
    [['users/*/*.{wav,txt}'], ['users/2/**'], ['users/1/b.wav', 'users/1/c.txt']],
    [['/a.wav'], [], []],
    [[], ['**'], []],
    [[String.raw`\[x\].wav`], [], ['users/2/[x].wav']],
  ])('that takes %j and not %j', (include, exclude, expected) => {
    expect(KEYS.filter(keyFilter(include, exclude) ?? (() => true))).toEqual(expected);
  });

  it('is none when nothing is asked for', () => {
    expect(keyFilter([], [])).toBeNull();
  });

  it.each(['[a', 'a]', '{a', '(a', ''])('is refused when %j is no pattern', (glob) => {
    expect(() => keyFilter([glob], [])).toThrow(GlobError);
    expect(() => keyFilter([], [glob])).toThrow(GlobError);
  });
});

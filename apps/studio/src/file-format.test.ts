import { expect, it } from 'vitest';
import { formatBytes, typeOf } from './file-format.ts';
import { messageFor, needsSignIn } from './messages.ts';

it('knows the types that the API takes, whatever the case of the ending', () => {
  expect(['a.mp3', 'b.WAV', 'c.m4a', 'd.exe', 'noending'].map(typeOf)).toEqual([
    'audio/mpeg',
    'audio/wav',
    'audio/mp4',
    null,
    null,
  ]);
});

it('tells sizes in the unit that fits', () => {
  expect([999, 20_480, 8_388_608].map(formatBytes)).toEqual(['999 B', '20 kB', '8.4 MB']);
});

it('has words for a refusal, and words for one that it does not know', () => {
  expect(messageFor('FILE_TOO_LARGE')).toContain('larger');
  expect(messageFor('SOMETHING_NEW')).toContain('Something went wrong');
  expect([needsSignIn('TOKEN_EXPIRED'), needsSignIn('PRO_ONLY')]).toEqual([true, false]);
});

import { describe, expect, it } from 'vitest';
import { ProviderError } from './provider-error.ts';

const told = (message: string, ...secrets: string[]): string =>
  new ProviderError('store', 'GET song', { status: 403, message, secrets }).message;

describe('the secrets in an error', () => {
  it('are cut out wherever they stand', () => {
    expect(told('keyAKIA1234EXAMPLEkey, again AKIA1234EXAMPLE', 'AKIA1234EXAMPLE')).toBe(
      'store: GET song answered 403: key[redacted]key, again [redacted]',
    );
  });

  it('of four to seven characters are cut out as words, and no other word with them', () => {
    expect(told('the keys of monkey: key1, "key1" and key12; a+b.', 'key1', 'a+b.')).toBe(
      'store: GET song answered 403: the keys of monkey: [redacted], "[redacted]" and key12; [redacted]',
    );
  });

  it('that are no longer than a word of English leave the text as it is', () => {
    expect(told('the id is invalid', 'id', '', 's3', 'key')).toBe('store: GET song answered 403: the id is invalid');
  });
});

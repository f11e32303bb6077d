import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { attachmentNamed } from './content-disposition.ts';

/** RFC 8187 §3.2.1, to the letter. */
const VALUE_CHARS = /^(?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*$/;

/** What a reader of RFC 6266 §4 finds: a quoted-string of ASCII, and the ext-value that goes before it. */
function read(header: string): { fallback: string; name: string } {
  const [, fallback, encoded] = /^attachment; filename="((?:[^"\\]|\\.)*)"; filename\*=UTF-8''(.*)$/.exec(header) ?? [];
  if (fallback === undefined || encoded === undefined) throw new Error(`not as RFC 6266 has it: ${header}`);
  expect(encoded).toMatch(VALUE_CHARS);
  const bytes = encoded.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  const name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  return { fallback, name };
}

describe('the name of a download', () => {
  // supabase/storage#1385: the apostrophe that was left alone ended the value.
  it.each([
    ["Don't Stop (Remix).mp3", `filename="Don't Stop (Remix).mp3"; filename*=UTF-8''Don%27t%20Stop%20%28Remix%29.mp3`],
    ['Déjà vu.mp3', `filename="Deja vu.mp3"; filename*=UTF-8''D%C3%A9j%C3%A0%20vu.mp3`],
    ['音楽.mp3', `filename="__.mp3"; filename*=UTF-8''%E9%9F%B3%E6%A5%BD.mp3`],
    ['🎵.mp3', `filename="_.mp3"; filename*=UTF-8''%F0%9F%8E%B5.mp3`],
    ['say "hi".mp3', `filename="say _hi_.mp3"; filename*=UTF-8''say%20%22hi%22.mp3`],
    ['100%25.mp3', `filename="100_25.mp3"; filename*=UTF-8''100%2525.mp3`],
    ['a\\b;c,d=e*.mp3', `filename="a_b;c,d=e*.mp3"; filename*=UTF-8''a%5Cb%3Bc%2Cd%3De%2A.mp3`],
    ['a\r\nx-injected: 1', `filename="a__x-injected: 1"; filename*=UTF-8''a%0D%0Ax-injected%3A%201`],
    ['plain.mp3', `filename="plain.mp3"; filename*=UTF-8''plain.mp3`],
  ])('%j comes in both spellings', (name, expected) => {
    expect(attachmentNamed(name)).toBe(`attachment; ${expected}`);
  });

  it('is left to the browser where the key has none', () => {
    expect(attachmentNamed('')).toBe('attachment');
  });

  it('is read back as it was, and falls back to printable ASCII of the same shape, whatever it is', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary', minLength: 1 }),
      fc.string({
        unit: fc.constantFrom("'", '(', '*', '"', '\\', '%', '%41', ' ', ';', '\n', 'é', '音'),
        minLength: 1,
      }),
    );
    fc.assert(
      fc.property(names, (name) => {
        const found = read(attachmentNamed(name));
        expect(found.name).toBe(name);
        // Neither an escape nor anything that some readers decode (RFC 6266 appendix D).
        expect(found.fallback).toMatch(/^[ -~]*$/);
        expect(found.fallback).not.toMatch(/["\\%]/);
      }),
      { numRuns: 1000 },
    );
  });
});

import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { isRightlyRefused, MESSAGES, messageFor, needsSignIn, reasonFor, whenOver } from './messages.ts';

const NOON = new Date(2026, 0, 1, 12, 0);
const HOUR = 3600;
const clock = (hours: number, day = 1): string =>
  new Date(2026, 0, day, hours, 0).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });

/** Codes that the Worker can refuse with, as its sources have them. */
async function codesOfTheWorker(): Promise<ReadonlySet<string>> {
  const folder = new URL('../../media-worker/src/', import.meta.url);
  const files = (await readdir(folder, { recursive: true })).filter((name) => /(?<!\.test)\.ts$/.test(name));
  const sources = await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')));
  const thrown = /(?:new ApiError\(\s*\d{3},|errorBody\()\s*'([A-Z_]+)'/g;
  // The ledger chooses between two of them.
  const chosen = /\bcode = [^;]*\? '([A-Z_]+)' : '([A-Z_]+)'/g;
  return new Set(
    sources.flatMap((text) => [...text.matchAll(thrown), ...text.matchAll(chosen)].flatMap((m) => m.slice(1))),
  );
}

describe('the words for a refusal', () => {
  it('exist for every code of the Worker, and say what to do next', async () => {
    const codes = await codesOfTheWorker();
    expect(codes.size).toBeGreaterThan(20);
    expect([...codes]).toEqual(
      expect.arrayContaining(['QUOTA_EXCEEDED', 'RATE_LIMITED', 'PRO_ONLY', 'UPLOAD_INVALID']),
    );
    expect([...codes].filter((code) => MESSAGES[code] === undefined)).toEqual([]);
  });

  it.each(Object.keys(MESSAGES))('%s is told in whole sentences, without its code', (code) => {
    const words = messageFor(code);
    expect(words).toMatch(/^[A-Z].*\.$/);
    expect(words).not.toContain('_');
    expect(reasonFor(code)).toMatch(/^[A-Z][^.]*\.$/);
    // A second sentence, or a request: what happened alone helps nobody.
    expect(words).toMatch(/\. [A-Z]|^Please /);
  });

  it('serve for codes that nobody knows, and for a gateway that has none', () => {
    expect(messageFor('SOMETHING_NEW')).toBe(messageFor('INTERNAL'));
    expect(messageFor('502')).toContain('try again');
  });

  it('say when a quota comes back', () => {
    expect(messageFor('QUOTA_EXCEEDED', 2 * HOUR, NOON)).toContain(`at ${clock(14)}`);
    expect(messageFor('QUOTA_EXCEEDED', 14 * HOUR, NOON)).toContain(`tomorrow at ${clock(2, 2)}`);
    expect(messageFor('QUOTA_EXCEEDED')).toContain('tomorrow');
    expect(messageFor('RATE_LIMITED', 20, NOON)).toContain('in 20 seconds');
  });
});

it('a wait is told as people tell it', () => {
  expect(whenOver(1, NOON)).toBe('in 1 second');
  expect(whenOver(89.5, NOON)).toBe('in 90 seconds');
  expect(whenOver(HOUR, NOON)).toBe(`at ${clock(13)}`);
  expect(whenOver(12 * HOUR, NOON)).toBe(`tomorrow at ${clock(0, 2)}`);
  expect(whenOver(60 * HOUR, NOON)).toMatch(/^on \S+ at /);
});

it('what leads back to the sign-in, or is nobody’s failure, has words as well', () => {
  const codes = Object.keys(MESSAGES);
  expect(codes.filter(needsSignIn)).toEqual(['TOKEN_MISSING', 'TOKEN_INVALID', 'TOKEN_EXPIRED']);
  expect(codes.filter(isRightlyRefused)).toHaveLength(12);
});

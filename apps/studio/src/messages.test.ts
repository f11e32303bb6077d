import { readdir, readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { messageFor } from './messages.ts';

/** Codes that only a broken client would meet: the general words serve. */
const OURS_ALONE = new Set([
  'BODY_INVALID',
  'BODY_TOO_LARGE',
  'KEY_INVALID',
  'LENGTH_REQUIRED',
  'TYPE_MISMATCH',
  'SIGNATURE_INVALID',
  'RANGE_NOT_SATISFIABLE',
  'KEYS_UNAVAILABLE',
]);

it('every refusal of the Worker that a person can meet has words of its own', async () => {
  const folder = new URL('../../media-worker/src/', import.meta.url);
  const files = (await readdir(folder)).filter((name) => name.endsWith('.ts') && !name.includes('.test.'));
  const sources = await Promise.all(files.map((name) => readFile(new URL(name, folder), 'utf8')));
  const codes = new Set(
    sources.flatMap((text) =>
      [...text.matchAll(/new ApiError\(\s*\d{3},\s*'([A-Z_]+)'/g)].map((match) => match[1] ?? ''),
    ),
  );
  expect(codes.size).toBeGreaterThan(15);
  const general = messageFor('no such code');
  const without = [...codes].filter((code) => !OURS_ALONE.has(code) && messageFor(code) === general);
  expect(without).toEqual([]);
});

it('says when a quota comes back', () => {
  const noon = new Date(2026, 0, 1, 12, 0);
  expect(messageFor('QUOTA_EXCEEDED', 3600, noon)).toContain(
    new Date(2026, 0, 1, 13, 0).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }),
  );
});

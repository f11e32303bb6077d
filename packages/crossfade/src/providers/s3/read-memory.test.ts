import { afterEach, expect, it, vi } from 'vitest';
import { wasCopied } from './read-memory.ts';

const MEBIBYTE = 1024 * 1024;

afterEach(() => void vi.unstubAllGlobals());

it('what sockets have read is collected every 16 MiB, the young objects alone', () => {
  const gc = vi.fn();
  vi.stubGlobal('gc', gc);
  for (let read = 0; read < 64; read++) wasCopied(MEBIBYTE);
  expect(gc.mock.calls).toEqual(Array.from({ length: 4 }, () => [{ type: 'minor', execution: 'sync' }]));
});

it('nothing is done in a Node that was not given the flag', () => {
  vi.stubGlobal('gc', undefined);
  expect(() => wasCopied(64 * MEBIBYTE)).not.toThrow();
});

import { describe, expect, it } from 'vitest';
import { metaOf } from '../providers/object-meta.ts';
import { keptMeta, keptTime } from './kept-meta.ts';

const timeOf = (mtime: string): string | null => keptTime(metaOf({ custom: { mtime } }))?.toISOString() ?? null;
const FROM = { lastModified: '2026-01-02T03:04:05.678Z' };

describe('the time that goes along with a copy', () => {
  it.each([
    ['1767323045', '2026-01-02T03:04:05.000Z'],
    ['1767323045.678', '2026-01-02T03:04:05.678Z'],
    ['1767323045.678901234', '2026-01-02T03:04:05.678Z'],
    ['0', '1970-01-01T00:00:00.000Z'],
  ])('is read from %s', (mtime, time) => {
    expect(timeOf(mtime)).toBe(time);
  });

  it.each([
    '2026-01-02T03:04:05Z',
    '1767323045678',
    '0x69573625',
    '1e3',
    '-5',
    '',
    'NaN',
    ' 5',
    '5 ',
    '1767323045,6',
    '٣',
  ])('is not read from "%s": other tools write that (cyberduck#14639, s3fs#897)', (mtime) => {
    expect(timeOf(mtime)).toBeNull();
    // The value itself belongs to whoever wrote it.
    expect(keptMeta(metaOf({ custom: { mtime } }), FROM).custom).toEqual({ mtime });
  });

  it.each([2048, 8192])('is left out where it alone would make more than %i bytes of metadata', (limit) => {
    // `mtime` and its value are 5 + 14 bytes, `note` 4; é is two.
    const noteOf = (bytes: number) => metaOf({ custom: { note: `é${'x'.repeat(bytes - 6)}` } });
    expect(keptMeta(noteOf(limit - 19), FROM).custom['mtime']).toBe('1767323045.678');
    expect(keptMeta(noteOf(limit - 18), FROM)).toEqual(noteOf(limit - 18));
    expect(keptMeta(noteOf(limit), FROM)).toEqual(noteOf(limit));
  });
});

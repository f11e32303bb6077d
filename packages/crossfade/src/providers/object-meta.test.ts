import { expect, test } from 'vitest';
import { differingMeta, metaOf, NO_META, SYSTEM_HEADER_NAMES } from './object-meta.ts';
import { metaHeaders, readMeta } from './s3/answers.ts';

test('every system header of S3 goes out under its HTTP name and comes back', () => {
  const meta = metaOf({
    contentType: 'audio/mpeg',
    cacheControl: 'max-age=60',
    contentDisposition: 'attachment; filename="a.mp3"',
    contentEncoding: 'identity',
    contentLanguage: 'de, en',
    expires: 'Thu, 01 Jan 2032 00:00:00 GMT',
    custom: { artist: 'Ada' },
  });
  expect(SYSTEM_HEADER_NAMES.filter((field) => meta[field] === null)).toEqual([]);
  expect(readMeta(metaHeaders(meta, 'song'))).toEqual(meta);
});

test('a difference is told by the name of its header', () => {
  const one = metaOf({ contentType: 'audio/wav', expires: '0', custom: { artist: 'Ada', take: '1' } });
  expect(differingMeta(one, one)).toEqual([]);
  expect(differingMeta(one, metaOf({ contentType: 'audio/wav', custom: { artist: 'Bob', title: 'x' } }))).toEqual([
    'expires',
    'x-amz-meta-artist',
    'x-amz-meta-take',
    'x-amz-meta-title',
  ]);
  expect(differingMeta(NO_META, metaOf({ contentEncoding: 'gzip' }))).toEqual(['content-encoding']);
});

test('a custom header may be called like a property that every object has', () => {
  const { custom } = readMeta({ 'x-amz-meta-__proto__': 'mine', 'x-amz-meta-constructor': 'too' });
  expect(Object.entries(custom)).toEqual([
    ['__proto__', 'mine'],
    ['constructor', 'too'],
  ]);
});

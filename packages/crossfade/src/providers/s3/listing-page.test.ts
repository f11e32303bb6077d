import { describe, expect, it } from 'vitest';
import { parseListing } from './listing-page.ts';

const ROW =
  '<Contents><Key>a%20b</Key><Size>3</Size><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;ab&quot;</ETag></Contents>';
const page = (inside: string): Buffer =>
  Buffer.from(`<?xml version="1.0"?>\n<ListBucketResult xmlns="x"><Name>media</Name>${inside}</ListBucketResult>\n`);
const MORE = '<IsTruncated>true</IsTruncated>';

describe('a page of a listing', () => {
  it('has its objects, and where it goes on, wherever among the rows the other fields stand', () => {
    const inside = `<EncodingType>url</EncodingType>${ROW}${MORE}<NextContinuationToken>a&amp;b</NextContinuationToken>`;
    const object = { key: 'a b', size: 3, etag: 'ab', lastModified: '2026-01-01T00:00:00Z' };
    expect(parseListing(page(inside))).toEqual({ objects: [object], next: 'a&b' });
  });

  it.each([
    ['of no objects', ''],
    ['that says so', '<IsTruncated>false</IsTruncated><NextContinuationToken>old</NextContinuationToken>'],
  ])('%s is the last one', (_name, inside) => {
    expect(parseListing(page(inside))).toEqual({ objects: [], next: null });
  });

  it.each([
    ['another answer', Buffer.from('<html>A proxy says hello</html>'), 'no whole listing'],
    ['one that breaks off between two objects', page(ROW).subarray(0, -10), 'no whole listing'],
    ['one that breaks off within an object', page(ROW).subarray(0, -60), 'breaks off within an object'],
    [
      'an object that is written otherwise',
      page('<Contents id="1"><Key>a</Key></Contents>'),
      'a form that is not known',
    ],
    ['an object without a size', page('<Contents><Key>a</Key></Contents>'), 'lacks its key, size or time'],
    ['more, and no word of where', page(MORE), 'does not say where'],
  ])('is not read from %s', (_name, body, reason) => {
    expect(() => parseListing(body)).toThrow(reason);
  });
});

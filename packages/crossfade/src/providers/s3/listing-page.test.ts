import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseListing } from './listing-page.ts';

const row = (key: string): string =>
  `<Contents><Key>${key}</Key><Size>3</Size><LastModified>2026-01-01T00:00:00Z</LastModified><ETag>&quot;ab&quot;</ETag></Contents>`;
const ROW = row('a%20b');
const page = (inside: string): Buffer =>
  Buffer.from(`<?xml version="1.0"?>\n<ListBucketResult xmlns="x"><Name>media</Name>${inside}</ListBucketResult>\n`);
const MORE = '<IsTruncated>true</IsTruncated>';
const ENCODED = '<EncodingType>url</EncodingType>';
const keysOf = (inside: string): string[] => parseListing(page(inside)).objects.map(({ key }) => key);

describe('a page of a listing', () => {
  it('has its objects, and where it goes on, wherever among the rows the other fields stand', () => {
    const inside = `${ENCODED}${ROW}${MORE}<NextContinuationToken>a&amp;b</NextContinuationToken>`;
    const object = { key: 'a b', size: 3, etag: 'ab', lastModified: '2026-01-01T00:00:00Z' };
    expect(parseListing(page(inside))).toEqual({ objects: [object], next: 'a&b', ambiguous: [] });
  });

  it.each([
    ['of no objects', ''],
    ['that says so', '<IsTruncated>false</IsTruncated><NextContinuationToken>old</NextContinuationToken>'],
  ])('%s is the last one', (_name, inside) => {
    expect(parseListing(page(inside))).toEqual({ objects: [], next: null, ambiguous: [] });
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
    ['markup in a key', page(row('a<b>c</b>')), 'has markup in it'],
    ['more, and no word of where', page(MORE), 'does not say where'],
    ['no clear word of whether there is more', page('<IsTruncated>maybe</IsTruncated>'), 'whether there is more'],
    ['fewer keys than it counts', page(`<KeyCount>2</KeyCount>${ROW}`), 'says that it has 2 keys and has 1'],
    [
      'folders that were not asked for',
      page('<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>'),
      'in the place of their objects',
    ],
    ['an encoding that nobody asked for', page('<EncodingType>base64</EncodingType>'), 'unknown encoding, base64'],
  ])('is not read from %s', (_name, body, reason) => {
    expect(() => parseListing(body)).toThrow(reason);
  });

  it('goes on where it has a token and says nothing of more', () => {
    expect(parseListing(page('<NextContinuationToken>t</NextContinuationToken>')).next).toBe('t');
  });
});

/** As S3 escapes a text in XML; control characters as references, which it writes though XML 1.0 forbids them. */
const escaped = (text: string): string =>
  // oxlint-disable-next-line no-control-regex -- those are what a listing writes as references
  text.replaceAll(/[\u0000-\u001f&<>"'\u007f]/g, (character) => `&#x${character.codePointAt(0)?.toString(16)};`);

const keys = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('%', '2', '0', '5', 'F', 'f', '+', '&', ';', '#', 'x', 'a', ' ', '/', 'é', ']'),
    minLength: 1,
  }),
);

describe('the keys of a listing', () => {
  it('are the keys, be they encoded and so announced, or written as they are without a word', () => {
    fc.assert(
      fc.property(keys, (key) => {
        const encoded = encodeURIComponent(key);
        expect(keysOf(ENCODED + row(encoded))).toEqual([key]);
        // As S3 itself does it.
        expect(keysOf(ENCODED + row(encoded.replaceAll('%20', '+').replaceAll('%2F', '/')))).toEqual([key]);
        expect(keysOf(row(escaped(key)))).toEqual([key]);
      }),
      { numRuns: 500 },
    );
  });

  it.each(['a%20b.mp3', '100%25 sure.mp3', '50%.mp3', 'a+b', 'a%2Fb', '%', '%%', '%zz', '%C3%A9', '%FF'])(
    '%j is what is written where nobody speaks of an encoding (versitygw#1985)',
    (key) => {
      expect(parseListing(page(row(key))).objects).toMatchObject([{ key }]);
      expect(parseListing(page(row(key))).objects[0]).not.toHaveProperty('unreadable');
    },
  );

  it.each([
    ['a%20b', 'a b'],
    ['a+b%2Bc', 'a b+c'],
    ['%F0%9F%8E%B5', '🎵'],
    ['%00', '\0'],
    ['é', 'é'],
  ])('%s is %j where the listing says that it is encoded', (written, key) => {
    expect(keysOf(ENCODED + row(written))).toEqual([key]);
  });

  it.each([
    ['a&amp;b', 'a&b'],
    ['&#x1;&#13;&#10;', '\u0001\r\n'],
    ['&#128276;', '🔔'],
    ['AT&T; & sons&nbsp;', 'AT&T; & sons&nbsp;'],
    ['&constructor;', '&constructor;'],
    ['<![CDATA[a&amp;<b>]]>&lt;c', 'a&amp;<b><c'],
  ])('written as %s in XML is %j', (written, key) => {
    expect(keysOf(row(written))).toEqual([key]);
  });

  it('that cannot be read are named, and the rest of the page is read', () => {
    const bad = ['50%.mp3', 'caf%E9', 'caf%F1', '%C3%28', '%ED%A0%80'];
    const { objects } = parseListing(page(ENCODED + [...bad, 'a%20b'].map(row).join('')));
    expect(objects.map(({ key, unreadable }) => [key, unreadable])).toEqual([
      ['50%.mp3', '"50%.mp3" is not URL-encoded UTF-8'],
      ['caf\ufffdE9', '"caf%E9" is not URL-encoded UTF-8'],
      ['caf\ufffdF1', '"caf%F1" is not URL-encoded UTF-8'],
      ['\ufffdC3(', '"%C3%28" is not URL-encoded UTF-8'],
      ['\ufffdED\ufffdA0\ufffd80', '"%ED%A0%80" is not URL-encoded UTF-8'],
      ['a b', undefined],
    ]);
  });

  it.each(['&#x110000;', '&#99999999999999999999;', '&#xD800;'])(
    '%s is a reference to no character: only that key is unreadable',
    (reference) => {
      const { objects } = parseListing(page(row(`a${reference}`) + row('b')));
      expect(objects).toMatchObject([
        { key: `a${reference}`, unreadable: `${reference} is no character` },
        { key: 'b' },
      ]);
      expect(objects[1]).not.toHaveProperty('unreadable');
    },
  );

  it('that are bytes of another encoding are unreadable, and those beside them are not', () => {
    const body = Buffer.from(
      page(row('caf#') + row('café') + row('\ufffd'))
        .toString()
        .replace('#', '\u0001'),
    );
    body[body.indexOf(1)] = 0xe9;
    const { objects } = parseListing(body);
    expect(objects.map(({ key }) => key)).toEqual(['caf\ufffdE9', 'café', '\ufffd']);
    expect(objects.map(({ unreadable }) => unreadable !== undefined)).toEqual([true, false, false]);
  });

  it('are found whole in a page of many pieces, with and without bytes that are no text', () => {
    const many = Array.from({ length: 600 }, (_, at) => `é/${String(at).padStart(4, '0')}`);
    expect(keysOf(many.map(row).join(''))).toEqual(many);
    const body = Buffer.concat([page(many.map(row).join('') + row('#'))]);
    body[body.lastIndexOf('#')] = 0xff;
    expect(parseListing(body).objects.map(({ key }) => key)).toEqual([...many, '\ufffdFF']);
  });

  it('that could be read either way are told, where the listing does not say', () => {
    const inside = row('a%20b') + row('50%') + row('%FF') + row('c');
    expect(parseListing(page(inside)).ambiguous).toEqual(['a%20b']);
    expect(parseListing(page(ENCODED + inside)).ambiguous).toEqual([]);
    expect(parseListing(page(inside), 'url').objects[0]?.key).toBe('a b');
  });
});

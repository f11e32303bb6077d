import type { ServerResponse } from 'node:http';
import { escapeXml } from '../escape-xml.ts';
import { delimitedPage, type Page } from './delimited-page.ts';
import type { ObjectFiles } from './object-store.ts';
import { sendXml } from './s3-answer.ts';
import { StorageError } from './storage-error.ts';

const PAGE = 1000;
const NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

/** RFC 3986, all but the unreserved: the server encodes slashes too (`encodeRFC3986URIComponent`). */
const encodeUri = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** How keys are told in an answer: as they are, or encoded, which the answer then says. */
export function keyEncoding(query: URLSearchParams): { encode(text: string): string; element: string } {
  const type = query.get('encoding-type');
  if (type === null) return { encode: escapeXml, element: '' };
  if (type !== 'url') throw new StorageError('InvalidRequest', 'Invalid Encoding Method specified in Request');
  return { encode: encodeUri, element: '<EncodingType>url</EncodingType>' };
}

export function pageSize(query: URLSearchParams, name: string): number {
  const told = Number(query.get(name) ?? PAGE);
  if (!Number.isInteger(told) || told < 0) throw new StorageError('InvalidRequest', `${name} is not a number`);
  // As the server reads it: none asked for is as many as there may be.
  return Math.min(told === 0 ? PAGE : told, PAGE);
}

function bodyOfPage(page: Page, encode: (text: string) => string): string {
  const objects = page.objects.map(
    (one) =>
      `<Contents><Key>${encode(one.name)}</Key><LastModified>${one.updatedAt.toISOString()}</LastModified><ETag>&quot;${one.etag}&quot;</ETag><Size>${one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>`,
  );
  const folders = page.folders.map((folder) => `<CommonPrefixes><Prefix>${encode(folder)}</Prefix></CommonPrefixes>`);
  return `${objects.join('')}${folders.join('')}`;
}

/** ListObjects and ListObjectsV2, whichever the query asks for. */
export async function listObjects(
  files: ObjectFiles,
  response: ServerResponse,
  bucket: string,
  query: URLSearchParams,
): Promise<void> {
  const isV2 = query.get('list-type') === '2';
  const { encode, element } = keyEncoding(query);
  const most = pageSize(query, 'max-keys');
  const [prefix, delimiter] = [query.get('prefix') ?? '', query.get('delimiter') ?? ''];
  const token = isV2 ? query.get('continuation-token') : null;
  const begin = query.get(isV2 ? 'start-after' : 'marker') ?? '';
  const after = token === null ? begin : Buffer.from(token, 'base64').toString();
  const page = await delimitedPage((options) => files.list(bucket, options), { prefix, delimiter, after, most });
  const told = [
    `<Name>${escapeXml(bucket)}</Name><Prefix>${encode(prefix)}</Prefix>`,
    delimiter === '' ? '' : `<Delimiter>${encode(delimiter)}</Delimiter>`,
    element,
    `<MaxKeys>${most}</MaxKeys><IsTruncated>${page.next !== null}</IsTruncated>`,
  ];
  if (isV2) {
    told.push(`<KeyCount>${page.objects.length + page.folders.length}</KeyCount>`);
    if (token !== null) told.push(`<ContinuationToken>${escapeXml(token)}</ContinuationToken>`);
    if (begin !== '') told.push(`<StartAfter>${encode(begin)}</StartAfter>`);
    if (page.next !== null)
      told.push(`<NextContinuationToken>${Buffer.from(page.next).toString('base64')}</NextContinuationToken>`);
  } else {
    told.push(`<Marker>${encode(begin)}</Marker>`);
    // S3 API: without a delimiter the last key is the marker of the next page, and none is told.
    if (page.next !== null && delimiter !== '') told.push(`<NextMarker>${encode(page.next)}</NextMarker>`);
  }
  const body = `${told.join('')}${bodyOfPage(page, encode)}`;
  sendXml(response, 200, `<ListBucketResult ${NAMESPACE}>${body}</ListBucketResult>`);
}

import { XMLParser } from 'fast-xml-parser';
import type { Dispatcher } from 'undici';
import * as v from 'valibot';
import type { ObjectHead, ObjectMeta } from '../providers.ts';

type Headers = Dispatcher.ResponseData['headers'];

const parser = new XMLParser({
  ignoreAttributes: true,
  parseTagValue: false,
  // Numeric references too: some servers quote their ETags with them.
  htmlEntities: true,
  isArray: (name) => name === 'Contents',
});

const listingPage = v.object({
  ListBucketResult: v.object({
    IsTruncated: v.optional(v.string(), 'false'),
    NextContinuationToken: v.optional(v.string()),
    EncodingType: v.optional(v.string()),
    Contents: v.optional(
      v.array(
        v.object({ Key: v.string(), Size: v.string(), ETag: v.optional(v.string(), ''), LastModified: v.string() }),
      ),
      [],
    ),
  }),
});
export const begunUpload = v.object({ InitiateMultipartUploadResult: v.object({ UploadId: v.string() }) });
export const completedUpload = v.object({ CompleteMultipartUploadResult: v.object({ ETag: v.string() }) });
const failure = v.object({ Error: v.object({ Code: v.string(), Message: v.optional(v.string(), '') }) });

/** What an XML answer holds. Throws `ValiError` when it is another answer, or no XML. */
export function parseXml<Schema extends v.GenericSchema>(schema: Schema, text: string): v.InferOutput<Schema> {
  return v.parse(schema, rawXml(text));
}

/** The vendor's error in an answer; CompleteMultipartUpload has it even below a 200. */
export function parseFailure(text: string): { code: string; message: string } | null {
  const parsed = v.safeParse(failure, rawXml(text));
  return parsed.success ? { code: parsed.output.Error.Code, message: parsed.output.Error.Message } : null;
}

function rawXml(text: string): unknown {
  try {
    return parser.parse(text);
  } catch {
    return null;
  }
}

export interface ListingPage {
  readonly objects: readonly ObjectHead[];
  /** Token of the next page; `null` on the last one. */
  readonly next: string | null;
}

/** One page of ListObjectsV2. Throws `ValiError` for another answer, and when it says that there is more but not where. */
export function parseListing(text: string): ListingPage {
  const { Contents, EncodingType, IsTruncated, NextContinuationToken } = parseXml(listingPage, text).ListBucketResult;
  const objects = Contents.map(({ Key, Size, ETag, LastModified }) => ({
    key: decodeKey(Key, EncodingType),
    size: Number(Size),
    etag: unquote(ETag),
    lastModified: LastModified,
  }));
  return { objects, next: IsTruncated === 'true' ? v.parse(v.string(), NextContinuationToken) : null };
}

/**
 * The listing is asked for in URL encoding. A server that says nothing of it may have encoded or not: percent signs
 * tell, since neither Supabase's keys nor encoded ones have any other use for them.
 */
function decodeKey(key: string, encodingType: string | undefined): string {
  if (encodingType === 'url') return decodeURIComponent(key.replaceAll('+', ' '));
  try {
    return key.includes('%') ? decodeURIComponent(key) : key;
  } catch {
    return key;
  }
}

export function unquote(etag: string): string {
  return etag.replace(/^W\//, '').replaceAll('"', '');
}

export function headerText(value: string | string[] | undefined): string | null {
  return Array.isArray(value) ? (value[0] ?? null) : (value ?? null);
}

/** Bytes of the body that these headers announce; `null` when they do not. */
export function announcedSize(headers: Headers): number | null {
  const size = headerText(headers['content-length']);
  return size === null ? null : Number(size);
}

export function readHead(key: string, headers: Headers, size: number): ObjectHead {
  const modified = headerText(headers['last-modified']);
  return {
    key,
    size,
    etag: unquote(headerText(headers['etag']) ?? ''),
    lastModified: modified === null ? '' : new Date(modified).toISOString(),
  };
}

const CUSTOM = 'x-amz-meta-';

export function readMeta(headers: Headers): ObjectMeta {
  const custom: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(CUSTOM)) custom[name.slice(CUSTOM.length)] = headerText(value) ?? '';
  }
  return {
    contentType: headerText(headers['content-type']),
    cacheControl: headerText(headers['cache-control']),
    custom,
  };
}

export function metaHeaders(meta: ObjectMeta): Record<string, string> {
  const headers: Record<string, string> = {};
  if (meta.contentType !== null) headers['content-type'] = meta.contentType;
  if (meta.cacheControl !== null) headers['cache-control'] = meta.cacheControl;
  for (const [name, value] of Object.entries(meta.custom)) headers[`${CUSTOM}${name.toLowerCase()}`] = inAscii(value);
  return headers;
}

/** A header carries ASCII only; S3 writes the rest of Unicode as RFC 2047 does. */
function inAscii(value: string): string {
  // oxlint-disable-next-line no-control-regex -- the range is what a header may hold
  return /^[\x20-\x7e]*$/.test(value) ? value : `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`;
}

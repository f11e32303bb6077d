import { createRequire } from 'node:module';
import type * as Xml from 'fast-xml-parser';
import type { Headers } from '../http/whole-answer.ts';
import * as v from 'valibot';
import {
  SYSTEM_HEADER_NAMES,
  SYSTEM_HEADERS,
  type ObjectMeta,
  type SystemHeader,
  UnsendableHeader,
} from '../object-meta.ts';
import type { ObjectHead } from '../providers.ts';
import { decodeValue, encodeValue, fromBytes, plainDisposition, plainHeader } from './header-text.ts';

export type { Headers } from '../http/whole-answer.ts';

const load = createRequire(import.meta.url);
let parser: Xml.XMLParser | null = null;

/** Loaded by the first answer that needs it: a copy of small objects has none, and is not to wait for its tables. */
function xmlParser(): Xml.XMLParser {
  if (parser !== null) return parser;
  const { XMLParser } = load('fast-xml-parser') as typeof Xml;
  parser = new XMLParser({
    ignoreAttributes: true,
    parseTagValue: false,
    // Numeric references too: some servers quote their ETags with them.
    htmlEntities: true,
    isArray: (name) => name === 'Upload' || name === 'Part',
  });
  return parser;
}

export const begunUpload = v.object({ InitiateMultipartUploadResult: v.object({ UploadId: v.string() }) });
export const completedUpload = v.object({ CompleteMultipartUploadResult: v.object({ ETag: v.string() }) });
/** Unfinished uploads, and the parts of one. */
export const unfinishedUploads = v.object({
  ListMultipartUploadsResult: v.union([
    v.object({
      Upload: v.optional(
        v.array(v.object({ Key: v.string(), UploadId: v.string(), Initiated: v.optional(v.string(), '') })),
        [],
      ),
    }),
    // An element without anything in it.
    v.pipe(
      v.literal(''),
      v.transform(() => ({ Upload: [] })),
    ),
  ]),
});
export const uploadedParts = v.object({
  ListPartsResult: v.object({
    IsTruncated: v.optional(v.string(), 'false'),
    NextPartNumberMarker: v.optional(v.string()),
    Part: v.optional(v.array(v.object({ PartNumber: v.string(), ETag: v.string(), Size: v.optional(v.string()) })), []),
  }),
});
const failure = v.object({ Error: v.object({ Code: v.string(), Message: v.optional(v.string(), '') }) });

/** Characters before an error's element: the XML declaration, white space that keeps a slow answer alive. */
const LONGEST_PROLOGUE = 4096;

/** What an XML answer holds. Throws `ValiError` when it is another answer, or no XML. */
export function parseXml<Schema extends v.GenericSchema>(
  schema: Schema,
  answer: string | Buffer,
): v.InferOutput<Schema> {
  return v.parse(schema, rawXml(answer.toString()));
}

/** The vendor's error in an answer; CompleteMultipartUpload has it even below a 200. */
export function parseFailure(answer: string | Buffer): { code: string; message: string } | null {
  // A page of a thousand objects need not be parsed to see that it is no error.
  const beginning =
    typeof answer === 'string' ? answer.slice(0, LONGEST_PROLOGUE) : answer.subarray(0, LONGEST_PROLOGUE);
  if (!beginning.includes('<Error')) return null;
  const parsed = v.safeParse(failure, rawXml(answer.toString()));
  return parsed.success ? { code: parsed.output.Error.Code, message: parsed.output.Error.Message } : null;
}

function rawXml(text: string): unknown {
  const known = xmlParser();
  try {
    return known.parse(text);
  } catch {
    return null;
  }
}

/** As most servers write an ETag. */
const QUOTED = /^"[^"]*"$/;

export function unquote(etag: string): string {
  if (QUOTED.test(etag)) return etag.slice(1, -1);
  return etag.replace(/^W\//, '').replaceAll('"', '');
}

export function headerText(value: string | string[] | undefined): string | null {
  return Array.isArray(value) ? (value[0] ?? null) : (value ?? null);
}

/** Lines of one name are one list (RFC 9110, section 5.3). */
function joinedText(value: string | string[] | undefined): string | null {
  return Array.isArray(value) ? value.join(', ') : (value ?? null);
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
    ...opaqueEtag(headers),
  };
}

/** Of S3's encryptions only `AES256` (SSE-S3) leaves an ETag the MD5 that it looks like; SSE-C has a header of its own. */
const NO_MD5_UNDER = /^aws:kms\b/i;

/** Whether the headers name an encryption under which an ETag is no hash of the bytes. */
export function opaqueEtag(headers: Headers): Pick<ObjectHead, 'opaqueEtag'> {
  const encryption = headerText(headers['x-amz-server-side-encryption']) ?? '';
  const customers = headerText(headers['x-amz-server-side-encryption-customer-algorithm']);
  return NO_MD5_UNDER.test(encryption) || customers !== null ? { opaqueEtag: true } : {};
}

const CUSTOM = 'x-amz-meta-';

export function readMeta(headers: Headers): ObjectMeta {
  // No prototype: `x-amz-meta-__proto__` is a name like any other.
  const custom: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(headers)) {
    if (name.startsWith(CUSTOM)) custom[name.slice(CUSTOM.length)] = decodeValue(joinedText(value) ?? '');
  }
  const system = (field: SystemHeader): string | null => {
    const value = joinedText(headers[SYSTEM_HEADERS[field]]);
    if (value === null) return null;
    // As it would be sent, so that an object and its copy say the same; what cannot be sent stays as it was meant.
    const text = fromBytes(value);
    return inAscii(field, text) ?? text;
  };
  return {
    contentType: system('contentType'),
    cacheControl: system('cacheControl'),
    contentDisposition: system('contentDisposition'),
    contentEncoding: system('contentEncoding'),
    contentLanguage: system('contentLanguage'),
    expires: system('expires'),
    custom,
    ...untold(headers),
  };
}

/** Of values that are no ASCII text a server may tell only the number (S3 API, HeadObject; supabase/storage 1.11.2). */
function untold(headers: Headers): Pick<ObjectMeta, 'untold'> {
  const told = Number(headerText(headers['x-amz-missing-meta']) ?? 0);
  return told === 0 ? {} : { untold: Number.isSafeInteger(told) ? told : null };
}

/** The headers with which an object of this metadata is written. @throws UnsendableHeader with the key and the header */
export function metaHeaders(meta: ObjectMeta, key: string): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const field of SYSTEM_HEADER_NAMES) {
    const value = meta[field];
    if (value === null) continue;
    headers[SYSTEM_HEADERS[field]] = inAscii(field, value) ?? unsendable(key, SYSTEM_HEADERS[field], value);
  }
  for (const [name, value] of Object.entries(meta.custom)) {
    const header = `${CUSTOM}${name.toLowerCase()}`;
    headers[header] = encodeValue(value) ?? unsendable(key, header, value);
  }
  return headers;
}

const inAscii = (field: SystemHeader, value: string): string | null =>
  field === 'contentDisposition' ? plainDisposition(value) : plainHeader(value);

function unsendable(key: string, header: string, value: string): never {
  const shown = JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
  throw new UnsendableHeader(
    `${key} has the header ${header} with ${shown}, which S3 cannot carry: it takes printable ASCII only. Correct it on the original, then copy again`,
  );
}

import type { IncomingMessage } from 'node:http';
import type { StorageBackend } from './object-blobs.ts';
import type { NewObject } from './object-store.ts';
import { HIGHEST_FILE_SIZE_LIMIT } from './storage-rules.ts';

/** How far a server keeps to Supabase's ways over S3. */
export interface S3Rules {
  readonly backend: StorageBackend;
  /** Bytes of the largest object. */
  readonly projectLimit: number;
  /** Whether only the keys that Supabase takes are taken. */
  readonly fewCharacters: boolean;
  /** Whether a header's value is signed as it is; AWS collapses its runs of blanks. */
  readonly signsVerbatim: boolean;
  /** Whether `x-amz-copy-source` is taken as it is; S3 API says that it is URL-encoded. */
  readonly rawCopySource: boolean;
  /** Whether ListParts tells what size a part is. */
  readonly tellsPartSizes: boolean;
}

/** S3's own ways, for a fixture that stands in for another store. */
export const PLAIN_S3: S3Rules = {
  backend: 's3',
  projectLimit: HIGHEST_FILE_SIZE_LIMIT,
  fewCharacters: false,
  signsVerbatim: false,
  rawCopySource: false,
  tellsPartSizes: true,
};
/** Supabase's ways, as seen on supabase/storage 1.11.2. */
export const HOSTED: S3Rules = {
  ...PLAIN_S3,
  fewCharacters: true,
  signsVerbatim: true,
  rawCopySource: true,
  tellsPartSizes: false,
};

/** What a PUT's headers say of the object. */
export function newObject(request: IncomingMessage): NewObject {
  const userMetadata = Object.entries(request.headers).flatMap(([name, value]) =>
    name.startsWith('x-amz-meta-') ? [[name.slice('x-amz-meta-'.length), String(value)] as const] : [],
  );
  // As measured: Content-Disposition is dropped; a wrong Content-MD5 or checksum is not noticed.
  return {
    mimetype: request.headers['content-type'] ?? null,
    cacheControl: request.headers['cache-control'] ?? null,
    userMetadata: Object.fromEntries(userMetadata),
  };
}

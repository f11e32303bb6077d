import type { ByteRange } from './byte-range.ts';

export interface StoredMedia {
  /** Whole size, bytes, whatever part `body` is. */
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly modified: Date;
  readonly contentType: string;
  /** As it was stored: the bytes are those of that coding, and so are `size` and every range. */
  readonly contentEncoding: string | undefined;
  readonly contentLanguage: string | undefined;
  readonly source: 'r2' | 'legacy';
}
export interface OpenMedia extends StoredMedia {
  /** Opens the bytes, or has them; only when they are wanted. */
  body(range: ByteRange | null): Promise<ReadableStream | Uint8Array>;
}

/** Bytes as a stream, whether they are one or not. */
export function streamOf(body: ReadableStream | Uint8Array): ReadableStream {
  return body instanceof Uint8Array ? new Blob([body]).stream() : body;
}

/** What the reader will want, as far as one can tell beforehand: a hint that saves a question, never a promise. */
export type Wanted = R2Range | 'all' | 'head';

/** What a store tells about what it does. `later` keeps work alive that the answer need not wait for. */
export interface StoreContext {
  later(work: Promise<unknown>): void;
  /** Served from legacy because R2 did not have it. */
  readThrough(key: string): void;
}

/** Where the media lies. */
export interface MediaStore {
  open(key: string, wanted: Wanted, context: StoreContext): Promise<OpenMedia | null>;
  put(key: string, body: ReadableStream, size: number, contentType: string): Promise<{ etag: string }>;
  delete(key: string): Promise<void>;
  /** Whether the store answers at all. */
  alive(): Promise<boolean>;
}

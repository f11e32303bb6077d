import type { ByteRange } from './byte-range.ts';

export interface StoredMedia {
  /** Whole size, bytes, whatever part `body` is. */
  readonly size: number;
  /** Unquoted. */
  readonly etag: string;
  readonly modified: Date;
  readonly contentType: string;
  readonly source: 'r2' | 'legacy';
}
export interface OpenMedia extends StoredMedia {
  /** Opens the bytes; only when they are wanted. */
  body(range: ByteRange | null): Promise<ReadableStream>;
}

/** Where the media lies. `waitUntil` keeps work alive that the answer need not wait for. */
export interface MediaStore {
  open(key: string, waitUntil: (work: Promise<unknown>) => void): Promise<OpenMedia | null>;
  put(key: string, body: ReadableStream, size: number, contentType: string): Promise<{ etag: string }>;
  delete(key: string): Promise<void>;
  /** Whether the store answers at all. */
  alive(): Promise<boolean>;
}

import { unquote } from './answers.ts';

/**
 * How a store has named the parts of its unfinished uploads. They have to be sent back to the letter: Supabase's file
 * backend names parts without quotes and takes none (seen on supabase/storage 1.11.2), S3 writes quotes.
 */
export interface PartNames {
  /** Keeps a name as the store wrote it; answers without its quotes. */
  hear(uploadId: string, etag: string): string;
  /** The name to send, of a part whose name without quotes is `etag`. */
  toLetter(uploadId: string, etag: string): string;
  forget(uploadId: string): void;
}

export function createPartNames(): PartNames {
  const heard = new Map<string, Map<string, string>>();
  return {
    hear(uploadId, etag) {
      const plain = unquote(etag);
      const names = heard.get(uploadId) ?? new Map<string, string>();
      heard.set(uploadId, names.set(plain, etag));
      return plain;
    },
    toLetter: (uploadId, etag) => heard.get(uploadId)?.get(etag) ?? `"${etag}"`,
    forget: (uploadId) => void heard.delete(uploadId),
  };
}

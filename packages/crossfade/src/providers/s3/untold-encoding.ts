import type { KeyEncoding } from './listing-page.ts';
import { decodeUrl } from './listing-text.ts';

/** Keys that are asked for until one tells; each may have been deleted since it was listed. */
const MOST_ASKED = 5;

export interface UntoldEncoding {
  /** How a listing that says nothing is read. */
  readonly encoding: KeyEncoding;
  /** Finds out, where such a listing could be read either way. */
  settle(ambiguous: readonly string[]): Promise<void>;
}

/**
 * Whether a server that says nothing of it encodes its keys: once for each store, told by which form of a key is
 * there. Until one tells, keys are what is written.
 */
export function createUntoldEncoding(has: (key: string) => Promise<boolean>): UntoldEncoding {
  let encoding: KeyEncoding | null = null;
  return {
    get encoding() {
      return encoding ?? 'none';
    },
    async settle(ambiguous) {
      for (const written of ambiguous.slice(0, MOST_ASKED)) {
        if (encoding !== null) return;
        // A key that cannot be asked for tells nothing: it fails later, by its own name.
        const asked = await Promise.allSettled([has(written), has(decodeUrl(written).text)]);
        const [asWritten, decoded] = asked.map((answer) => (answer.status === 'fulfilled' ? answer.value : null));
        // Nor do two objects, or none any more.
        if (asWritten === decoded || asWritten === null || decoded === null) continue;
        encoding = decoded === true ? 'url' : 'none';
      }
    },
  };
}

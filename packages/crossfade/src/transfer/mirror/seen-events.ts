import { open, type FileHandle } from 'node:fs/promises';
import { linesOf } from '../lines-of.ts';
import { provenKeyOf } from '../manifest.ts';
import type { KeyEvidence } from './settle-key.ts';
import { readMediaEvent, type MediaEvent } from './media-event.ts';

/** What was once seen of keys: the events, kept before they are acknowledged, and the manifests of the verified copy. */
export interface SeenEvents {
  /** On disk when it resolves. */
  note(events: readonly MediaEvent[]): Promise<void>;
  /** What is known of these keys. The files are read once, whatever their length, and never held. */
  evidenceOf(keys: ReadonlySet<string>): Promise<ReadonlyMap<string, KeyEvidence>>;
  close(): Promise<void>;
}

export const NO_EVIDENCE: KeyEvidence = {
  deletedAt: null,
  putAt: null,
  wasCopied: false,
  mayConclude: false,
};

/** What events alone say. */
export function evidenceOfEvents(events: readonly MediaEvent[]): KeyEvidence {
  const latest = (type: MediaEvent['type']): number | null => {
    const times = events.filter((one) => one.type === type).map((one) => Date.parse(one.at));
    return times.length === 0 ? null : Math.max(...times);
  };
  return { ...NO_EVIDENCE, deletedAt: latest('delete'), putAt: latest('put') };
}

const later = (one: number | null, other: number | null): number | null =>
  one === null ? other : other === null ? one : Math.max(one, other);

/** @param manifests files of `openManifest`; one that does not exist proves nothing */
export async function openSeenEvents(file: string, manifests: readonly string[]): Promise<SeenEvents> {
  // Who only asks for evidence writes nothing, not even an empty file.
  let handle: Promise<FileHandle> | null = null;
  let last: Promise<unknown> = Promise.resolve();
  // A line that a crash cut short ends here; its event was not acknowledged, so it comes again.
  let begin = '\n';
  return {
    note(events) {
      const lines = begin + events.map((event) => `${JSON.stringify(event)}\n`).join('');
      begin = '';
      const written = last.then(async () => {
        const opened = await (handle ??= open(file, 'a'));
        await opened.appendFile(lines);
        await opened.datasync();
      });
      last = written.catch(() => {});
      return written;
    },
    async evidenceOf(keys) {
      const found = new Map<string, KeyEvidence>();
      if (keys.size === 0) return found;
      const add = (key: string, more: Partial<KeyEvidence>): void => {
        if (!keys.has(key)) return;
        const known = found.get(key) ?? NO_EVIDENCE;
        const [deletedAt, putAt] = [
          later(known.deletedAt, more.deletedAt ?? null),
          later(known.putAt, more.putAt ?? null),
        ];
        const wasCopied = known.wasCopied || more.wasCopied === true;
        found.set(key, { ...known, deletedAt, putAt, wasCopied });
      };
      await last;
      for await (const line of linesOf(file)) {
        const event = readMediaEvent(line);
        if (typeof event !== 'string') add(event.key, evidenceOfEvents([event]));
      }
      for (const manifest of manifests) {
        for await (const line of linesOf(manifest)) {
          const key = provenKeyOf(line);
          if (key !== null) add(key, { wasCopied: true });
        }
      }
      return found;
    },
    async close() {
      await last;
      await (await handle)?.close();
    },
  };
}

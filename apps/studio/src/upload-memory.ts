import type { SentPart, Unfinished } from './upload-run.ts';
import { uploadId, type FileFacts } from './upload-state.ts';
import type { Memory } from './upload-queue.ts';

const PREFIX = 'audafact-upload';

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): value is number => typeof value === 'number' && Number.isInteger(value) && value >= 0;
const isSentPart = (value: unknown): value is SentPart =>
  isRecord(value) && isCount(value['part']) && isText(value['etag']);

interface Entry {
  readonly file: FileFacts;
  readonly unfinished: Unfinished;
}

/** What was written by an earlier visit, perhaps by an older studio; `null` when it makes no sense any more. */
export function parseEntry(text: string, now = Date.now()): Entry | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isRecord(value)) return null;
  const { name, size, lastModified, key, uploadId, partSizeBytes, parts, done, expiresAt } = value;
  if (!isText(name) || !isCount(size) || typeof lastModified !== 'number') return null;
  if (!isText(key) || !isText(uploadId) || !isCount(partSizeBytes) || !isCount(parts) || !isText(expiresAt))
    return null;
  if (!Array.isArray(done) || !done.every(isSentPart)) return null;
  // The bucket has forgotten it by then; a text that is no date is over as well.
  if (!(Date.parse(expiresAt) > now)) return null;
  return {
    file: { name, size, lastModified },
    unfinished: { key, uploadId, partSizeBytes, parts, done, expiresAt },
  };
}

/** What is unfinished, kept in the browser for one user. A browser that keeps nothing begins anew: no more is lost. */
export function browserMemory(user: string, storage: Storage | null = ownStorage()): Memory {
  const prefix = `${PREFIX}/${user}/`;
  const nameOf = (file: FileFacts): string => prefix + uploadId(file);
  const read = (name: string): Entry | null => {
    const text = storage?.getItem(name) ?? null;
    return text === null ? null : parseEntry(text);
  };
  return {
    get: (file) => read(nameOf(file))?.unfinished ?? null,
    set(file, unfinished) {
      try {
        if (unfinished === null) storage?.removeItem(nameOf(file));
        else storage?.setItem(nameOf(file), JSON.stringify({ ...file, ...unfinished }));
      } catch {
        // A full storage: the upload goes on, and would begin anew after a reload.
      }
    },
    list() {
      if (storage === null) return [];
      const names = Array.from({ length: storage.length }, (_, index) => storage.key(index) ?? '');
      return names
        .filter((name) => name.startsWith(prefix))
        .flatMap((name) => {
          const entry = read(name);
          if (entry === null) storage.removeItem(name);
          return entry ?? [];
        });
    },
  };
}

/** `null` where the person's settings forbid it: looking is enough to throw then. */
function ownStorage(): Storage | null {
  try {
    return localStorage;
  } catch {
    return null;
  }
}

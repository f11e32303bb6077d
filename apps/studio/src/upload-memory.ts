import type { Memory, Unfinished } from './upload-queue.ts';

const PREFIX = 'audafact-upload';

/** What is unfinished, kept in the browser for one user. A browser that keeps nothing begins anew: no more is lost. */
export function browserMemory(user: string): Memory {
  const name = (id: string): string => `${PREFIX}/${user}/${id}`;
  return {
    get(id) {
      try {
        return JSON.parse(localStorage.getItem(name(id)) ?? 'null') as Unfinished | null;
      } catch {
        return null;
      }
    },
    set(id, unfinished) {
      try {
        if (unfinished === null) localStorage.removeItem(name(id));
        else localStorage.setItem(name(id), JSON.stringify(unfinished));
      } catch {
        // A full or forbidden storage: the upload goes on, and would begin anew after a reload.
      }
    },
  };
}

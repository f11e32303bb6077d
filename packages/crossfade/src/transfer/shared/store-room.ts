import type { OpenedStore, OpenStore } from './shared-transfer.ts';

/** The stores that a worker has opened, each once. */
export interface StoreRoom {
  at(location: string, use: 'read' | 'write'): Promise<OpenedStore>;
  close(): Promise<void>;
}

/** Opens each location when it is first asked for, and keeps it open. */
export function createStoreRoom(open: OpenStore): StoreRoom {
  const opened = new Map<string, Promise<OpenedStore>>();
  return {
    at(location, use) {
      const name = `${use} ${location}`;
      const known = opened.get(name) ?? Promise.resolve().then(() => open(location, use));
      opened.set(name, known);
      return known;
    },
    async close() {
      for (const store of await Promise.allSettled(opened.values()))
        if (store.status === 'fulfilled') await store.value.close();
    },
  };
}

import { Readable } from 'node:stream';
import type { PlannedCall } from './planned-call.ts';
import type { ObjectHead, ObjectStore } from './providers.ts';

/** In byte order, as stores list. */
const byKey = (a: ObjectHead, b: ObjectHead): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

/**
 * A store that is asked, and written down what it would be told to keep. What would have been put is listed
 * afterwards as `source` has it, so that a copy finds its work done.
 */
export function imaginingStore(real: ObjectStore, source: ObjectStore, calls: PlannedCall[]): ObjectStore {
  const put = new Map<string, ObjectHead>();
  const gone = new Set<string>();
  return {
    label: real.label,
    async *list(prefix = '', after = '') {
      const listed = ({ key }: ObjectHead): boolean =>
        key.startsWith(prefix) && Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
      const added = [...put.values()].filter(listed).toSorted(byKey);
      for await (const object of real.list(prefix, after)) {
        while (added[0] !== undefined && byKey(added[0], object) < 0) yield added.shift() ?? object;
        if (added[0]?.key === object.key) yield added.shift() ?? object;
        else if (!gone.has(object.key)) yield object;
      }
      yield* added;
    },
    async head(key) {
      return gone.has(key) ? null : ((put.has(key) ? await source.head(key) : null) ?? (await real.head(key)));
    },
    async get(key, range) {
      return gone.has(key) ? null : put.has(key) ? source.get(key, range) : real.get(key, range);
    },
    async put(key, body, size, meta) {
      if (body instanceof Readable) body.destroy();
      calls.push({ method: 'PUT', path: `${real.label}/${key}`, body: { size, ...meta } });
      const there = await source.head(key);
      const head = there ?? { key, size, etag: '(new)', lastModified: new Date().toISOString() };
      put.set(key, head);
      gone.delete(key);
      return { etag: head.etag };
    },
    async delete(key) {
      calls.push({ method: 'DELETE', path: `${real.label}/${key}`, body: null });
      put.delete(key);
      gone.add(key);
    },
  };
}

import { Readable } from 'node:stream';
import type { PlannedCall } from './planned-call.ts';
import type { ObjectBody, ObjectHead, ObjectMeta, ObjectStore } from './providers.ts';
import { NO_META } from './object-meta.ts';

/** In byte order, as stores list. */
const byKey = (a: ObjectHead, b: ObjectHead): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key));

/**
 * A store that is asked, and written down what it would be told to keep. What would have been put is listed
 * afterwards as `source` has it, so that a copy finds its work done. `bringsMissing` says whether the store fetches by
 * itself, out of `source`, what it lacks and is asked for (Sippy): then to ask is to change it.
 */
export function imaginingStore(
  real: ObjectStore,
  source: ObjectStore,
  calls: PlannedCall[],
  bringsMissing: () => boolean = () => false,
): ObjectStore {
  const put = new Map<string, ObjectHead>();
  const gone = new Set<string>();
  /** Of those in `put`: came without what Sippy drops. */
  const bare = new Set<string>();
  const plain = (meta: ObjectMeta): ObjectMeta => ({ ...NO_META, contentType: meta.contentType, custom: meta.custom });
  async function bring(key: string): Promise<ObjectBody | null> {
    calls.push({ method: 'GET', path: `${real.label}/${key}`, body: null });
    const head = await source.head(key);
    if (head === null) return null;
    put.set(key, head);
    bare.add(key);
    gone.delete(key);
    // Its bytes would be dropped: they need not come.
    return { ...head, size: 0, body: Readable.from([]) };
  }
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
      const head = gone.has(key) ? null : ((put.has(key) ? await source.head(key) : null) ?? (await real.head(key)));
      return head !== null && bare.has(key) ? { ...head, meta: plain(head.meta) } : head;
    },
    async get(key, range) {
      const there = gone.has(key) ? null : await (put.has(key) ? source : real).get(key, range);
      return there === null && bringsMissing() ? bring(key) : there;
    },
    copySource: (key) =>
      real.copySource?.(key) ?? {
        identity: real.label,
        bucket: real.label,
        key,
        look: () => real.head(key),
      },
    async putCopy(key, from, head, metaOf) {
      const body = { copySource: from.key, ...(await metaOf()) };
      calls.push({ method: 'PUT', path: `${real.label}/${key}`, body });
      bare.delete(key);
      return { etag: head.etag };
    },
    async put(key, body, size, meta) {
      if (body instanceof Readable) body.destroy();
      calls.push({ method: 'PUT', path: `${real.label}/${key}`, body: { size, ...meta } });
      const there = await source.head(key);
      const head = there ?? { key, size, etag: '(new)', lastModified: new Date().toISOString() };
      put.set(key, head);
      bare.delete(key);
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

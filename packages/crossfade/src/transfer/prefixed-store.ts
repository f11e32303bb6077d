import type { ObjectBody, ObjectHead, ObjectStore } from '../providers/providers.ts';

/**
 * The objects of a store below `base`, as a store of its own: keys are what comes after it. Only those that then begin
 * with `only` are listed.
 */
export function prefixedStore(store: ObjectStore, base: string, only = ''): ObjectStore {
  if (base === '' && only === '') return store;
  const relative = <Head extends ObjectHead>(head: Head): Head => ({ ...head, key: head.key.slice(base.length) });
  const { md5 } = store;
  return {
    label: base === '' ? store.label : `${store.label}/${base}`,
    async *list(prefix = '', after = '') {
      if (!prefix.startsWith(only) && !only.startsWith(prefix)) return;
      const longer = prefix.length > only.length ? prefix : only;
      for await (const head of store.list(`${base}${longer}`, after === '' ? '' : `${base}${after}`))
        yield relative(head);
    },
    async head(key) {
      const found = await store.head(`${base}${key}`);
      return found === null ? null : relative(found);
    },
    async get(key, range): Promise<ObjectBody | null> {
      const found = await store.get(`${base}${key}`, range);
      return found === null ? null : relative(found);
    },
    put: (key, body, size, meta) => store.put(`${base}${key}`, body, size, meta),
    delete: (key) => store.delete(`${base}${key}`),
    ...(md5 === undefined ? {} : { md5: (key: string) => md5(`${base}${key}`) }),
  };
}

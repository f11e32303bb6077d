import { listingOf, pagesOf } from '../providers/listing.ts';
import type { ObjectBody, ObjectHead, ObjectStore } from '../providers/providers.ts';
import { takesParts } from '../providers/store-abilities.ts';

/**
 * The objects of a store below `base`, as a store of its own: keys are what comes after it. Only those that then begin
 * with `only` are listed.
 */
export function prefixedStore(store: ObjectStore, base: string, only = ''): ObjectStore {
  if (base === '' && only === '') return store;
  const relative = <Head extends ObjectHead>(head: Head): Head => ({ ...head, key: head.key.slice(base.length) });
  const { md5, read, copySource, putCopy } = store;
  const within = <Upload extends { readonly key: string }>(upload: Upload): Upload => ({
    ...upload,
    key: `${base}${upload.key}`,
  });
  return {
    ...store,
    label: base === '' ? store.label : `${store.label}/${base}`,
    list: (prefix = '', after = '') =>
      listingOf(async function* () {
        if (!prefix.startsWith(only) && !only.startsWith(prefix)) return;
        const longer = prefix.length > only.length ? prefix : only;
        const listing = store.list(`${base}${longer}`, after === '' ? '' : `${base}${after}`);
        for await (const page of pagesOf(listing)) yield page.map(relative);
      }),
    async head(key) {
      const found = await store.head(`${base}${key}`);
      return found === null ? null : relative(found);
    },
    async get(key, range): Promise<ObjectBody | null> {
      const found = await store.get(`${base}${key}`, range);
      return found === null ? null : relative(found);
    },
    put: (key, ...object) => store.put(`${base}${key}`, ...object),
    delete: (key) => store.delete(`${base}${key}`),
    ...(md5 === undefined ? {} : { md5: (key) => md5(`${base}${key}`) }),
    ...(read === undefined ? {} : { read: (key, ...wanted) => read(`${base}${key}`, ...wanted) }),
    ...(copySource === undefined ? {} : { copySource: (key) => copySource(`${base}${key}`) }),
    ...(putCopy === undefined ? {} : { putCopy: (key, ...copied) => putCopy(`${base}${key}`, ...copied) }),
    ...(takesParts(store)
      ? {
          createUpload: (key, meta) => store.createUpload(`${base}${key}`, meta),
          putPart: (upload, ...part) => store.putPart(within(upload), ...part),
          publishUpload: (upload, ...whole) => store.publishUpload(within(upload), ...whole),
          deleteUpload: (upload) => store.deleteUpload(within(upload)),
          listUploads: (key) => store.listUploads(`${base}${key}`),
        }
      : {}),
  };
}

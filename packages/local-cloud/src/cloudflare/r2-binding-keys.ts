import { posix } from 'node:path';
import type { RuntimeVersion } from './runtime-contract.ts';

/** Named in the version's environment while its code is loaded, and taken out before that sees it. */
export const KEY_NOTES = '__CROSSFADE_KEY_NOTES';

/** What lies before a version's code: its buckets know a key in any Unicode form, as R2's binding does. */
const SCRIPT = `const stored = (key) => (typeof key === 'string' ? key.normalize('NFC') : key);
const hasOtherForm = (key) => typeof key === 'string' && key.normalize('NFC') !== key.normalize('NFD');

function bucketOf(bucket, note) {
  const upload = (inner, key) => ({
    key,
    uploadId: inner.uploadId,
    uploadPart: (...given) => inner.uploadPart(...given),
    abort: () => inner.abort(),
    async complete(parts) {
      const object = await inner.complete(parts);
      if (hasOtherForm(key)) await note(key);
      return object;
    },
  });
  return {
    head: (key) => bucket.head(stored(key)),
    get: (key, ...rest) => bucket.get(stored(key), ...rest),
    async put(key, ...rest) {
      const object = await bucket.put(stored(key), ...rest);
      if (object !== null && hasOtherForm(key)) await note(key);
      return object;
    },
    delete: (keys) => bucket.delete(Array.isArray(keys) ? keys.map(stored) : stored(keys)),
    list({ prefix, startAfter, ...options } = {}) {
      const names = { ...(prefix === undefined ? {} : { prefix: stored(prefix) }), ...(startAfter === undefined ? {} : { startAfter: stored(startAfter) }) };
      return bucket.list({ ...options, ...names });
    },
    createMultipartUpload: async (key, ...rest) => upload(await bucket.createMultipartUpload(stored(key), ...rest), key),
    resumeMultipartUpload: (key, ...rest) => upload(bucket.resumeMultipartUpload(stored(key), ...rest), key),
  };
}

const environments = new WeakMap();
function environmentOf(env) {
  const known = environments.get(env);
  if (known !== undefined) return known;
  const { [NOTES]: notes, ...own } = env;
  for (const [name, bucket] of Object.entries(BUCKETS)) own[name] = bucketOf(env[name], (key) => notes.note(bucket, key));
  environments.set(env, own);
  return own;
}

const { default: inner } = main;
export default typeof inner === 'function'
  ? class extends inner { constructor(context, env) { super(context, environmentOf(env)); } }
  : Object.fromEntries(
      Object.entries(inner).map(([name, handler]) => [
        name,
        typeof handler === 'function' ? (event, env, context) => handler.call(inner, event, environmentOf(env), context) : handler,
      ]),
    );
`;

/**
 * A module to begin the version with instead of its own main module; `null` for one that binds no bucket. Not for
 * Durable Objects of its own, nor for `import { env } from 'cloudflare:workers'`: those know keys as they are written.
 * An object that the binding answers with, or lists, is named as it is stored.
 */
export function keysModule({ bindings, mainModule }: RuntimeVersion): { path: string; contents: string } | null {
  const buckets = Object.fromEntries(
    bindings.flatMap((binding) => (binding.type === 'r2_bucket' ? [[binding.name, binding.bucket_name]] : [])),
  );
  if (Object.keys(buckets).length === 0) return null;
  const { dir, base } = posix.parse(mainModule);
  const from = JSON.stringify(`./${base}`);
  const contents = [
    `import * as main from ${from};`,
    `export * from ${from};`,
    `const [NOTES, BUCKETS] = [${JSON.stringify(KEY_NOTES)}, ${JSON.stringify(buckets)}];`,
    SCRIPT,
  ].join('\n');
  return { path: posix.join(dir, '__crossfade-keys.js'), contents };
}

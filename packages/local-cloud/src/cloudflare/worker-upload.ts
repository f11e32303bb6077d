import { createHash, randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Account, AccountBinding, AccountVersion, VersionModules } from './account-state.ts';
import { ApiFailure } from './api-answer.ts';
import type { ApiRequest, UploadedPart } from './api-answer.ts';
import { missingBucket } from './version-starts.ts';

/** The kinds are checked by the contract; here only what each one carries. */
const UploadedBinding = v.variant('type', [
  v.object({ type: v.literal('r2_bucket'), name: v.string(), bucket_name: v.string() }),
  v.object({ type: v.literal('hyperdrive'), name: v.string(), id: v.string() }),
  v.object({ type: v.literal('plain_text'), name: v.string(), text: v.string() }),
  v.object({ type: v.literal('secret_text'), name: v.string(), text: v.string() }),
  v.object({ type: v.literal('version_metadata'), name: v.string() }),
  v.object({
    type: v.literal('durable_object_namespace'),
    name: v.string(),
    class_name: v.string(),
    script_name: v.optional(v.string()),
  }),
  v.object({ type: v.literal('queue'), name: v.string(), queue_name: v.string() }),
  v.object({ type: v.literal('analytics_engine'), name: v.string(), dataset: v.string() }),
  v.object({ type: v.literal('inherit'), name: v.string(), old_name: v.optional(v.string()) }),
]);

const UploadBody = v.object({
  metadata: v.object({
    main_module: v.optional(v.string()),
    bindings: v.optional(v.array(UploadedBinding), []),
    keep_bindings: v.optional(v.array(v.string()), []),
    // What the runtime falls back to when none is named.
    compatibility_date: v.optional(v.string(), '2021-11-02'),
    compatibility_flags: v.optional(v.array(v.string()), []),
    annotations: v.optional(v.record(v.string(), v.string()), {}),
    migrations: v.optional(v.object({ new_sqlite_classes: v.optional(v.array(v.string()), []) })),
  }),
});

export interface WorkerUploadVersion {
  readonly version: AccountVersion;
  readonly modules: VersionModules;
}

/**
 * The version that a multipart upload describes; its number is given when it is kept. `previous` is the script's
 * newest version, from which kept and inherited bindings come. Throws `ApiFailure` where the vendor refuses.
 */
export function readUpload(
  request: ApiRequest,
  account: Account,
  previous: AccountVersion | undefined,
): WorkerUploadVersion {
  const { metadata } = v.parse(UploadBody, request.body);
  const modules = readModules(request.parts);
  const main = metadata.main_module;
  if (main === undefined)
    throw new ApiFailure(400, 10021, 'local-cloud runs ES modules: metadata names no main_module');
  if (modules[main] === undefined) throw new ApiFailure(400, 10021, `No such module "${main}" in the upload.`);
  const strict = request.query['bindings_inherit'] === 'strict';
  const version = {
    id: randomUUID(),
    number: 0,
    createdOn: new Date().toISOString(),
    annotations: metadata.annotations,
    mainModule: main,
    etag: createHash('sha256').update(JSON.stringify(modules)).digest('hex'),
    compatibilityDate: metadata.compatibility_date,
    compatibilityFlags: metadata.compatibility_flags,
    // A class, once migrated, stays the script's.
    objectClasses: [
      ...new Set([...(previous?.objectClasses ?? []), ...(metadata.migrations?.new_sqlite_classes ?? [])]),
    ],
    bindings: resolveBindings(metadata.bindings, metadata.keep_bindings, previous?.bindings ?? [], strict),
  };
  for (const binding of version.bindings) {
    if (binding.type === 'queue' && !account.queues.some((one) => one.name === binding.queue_name))
      throw new ApiFailure(400, 11000, `Queue "${binding.queue_name}" does not exist.`);
    if (
      binding.type === 'durable_object_namespace' &&
      binding.script_name !== undefined &&
      !account.scripts.some(
        (one) => one.versions[0]?.objectClasses.includes(binding.class_name) && one.name === binding.script_name,
      )
    )
      throw new ApiFailure(
        400,
        10061,
        `Cannot bind to the class ${binding.class_name}: the script ${binding.script_name} does not define it.`,
      );
  }
  const missing = missingBucket(version, account.buckets);
  if (missing !== undefined) {
    throw new ApiFailure(400, 10085, `R2 bucket '${missing}' not found. Please use a different name and try again.`);
  }
  return { version, modules };
}

function readModules(parts: ReadonlyMap<string, UploadedPart>): VersionModules {
  const modules: VersionModules = {};
  for (const [name, { type, text }] of parts) {
    // Source maps only serve stack traces.
    if (type === 'application/source-map') continue;
    if (type !== 'application/javascript+module' && type !== 'text/javascript+module') {
      throw new ApiFailure(400, 10021, `Module "${name}" has the type "${type}"; local-cloud runs ES modules only.`);
    }
    modules[name] = text;
  }
  return modules;
}

/** Bindings are replaced, not merged: only kept types and inherited names come over from the previous version. */
function resolveBindings(
  given: readonly v.InferOutput<typeof UploadedBinding>[],
  keep: readonly string[],
  previous: readonly AccountBinding[],
  strict: boolean,
): AccountBinding[] {
  const resolved: AccountBinding[] = [];
  for (const binding of given) {
    if (binding.type !== 'inherit') {
      resolved.push(binding);
      continue;
    }
    const source = previous.find((one) => one.name === (binding.old_name ?? binding.name));
    if (source !== undefined) resolved.push({ ...source, name: binding.name });
    else if (strict) throw new ApiFailure(400, 10056, `Binding "${binding.name}" is not in the previous version.`);
  }
  const names = new Set(given.map((one) => one.name));
  if (names.size < given.length) throw new ApiFailure(400, 10021, 'Two bindings have the same name.');
  return [...resolved, ...previous.filter((one) => keep.includes(one.type) && !names.has(one.name))];
}

import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import * as v from 'valibot';

const BindingSchema = v.variant('type', [
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
]);

const VersionSchema = v.object({
  id: v.string(),
  number: v.number(),
  createdOn: v.string(),
  annotations: v.record(v.string(), v.string()),
  mainModule: v.string(),
  etag: v.string(),
  compatibilityDate: v.string(),
  compatibilityFlags: v.array(v.string()),
  bindings: v.array(BindingSchema),
  objectClasses: v.optional(v.array(v.string()), []),
});

const DeploymentSchema = v.object({
  id: v.string(),
  createdOn: v.string(),
  annotations: v.record(v.string(), v.string()),
  versions: v.array(v.object({ version_id: v.string(), percentage: v.number() })),
});

const ScriptSchema = v.object({
  name: v.string(),
  createdOn: v.string(),
  modifiedOn: v.string(),
  subdomain: v.object({ enabled: v.boolean(), previewsEnabled: v.boolean() }),
  /** Newest first, as the vendor lists them. */
  versions: v.array(VersionSchema),
  /** Newest first; the first one serves. */
  deployments: v.array(DeploymentSchema),
});

const BucketSchema = v.object({
  name: v.string(),
  createdOn: v.string(),
  location: v.string(),
  storageClass: v.string(),
  lifecycle: v.array(v.record(v.string(), v.unknown())),
  cors: v.nullable(v.array(v.record(v.string(), v.unknown()))),
  sippy: v.optional(
    v.nullable(
      v.object({
        source: v.object({ bucketUrl: v.string(), accessKeyId: v.string(), secretAccessKey: v.string() }),
        destination: v.object({ accessKeyId: v.string(), secretAccessKey: v.string() }),
      }),
    ),
    null,
  ),
});

const DnsRecordSchema = v.object({
  id: v.string(),
  type: v.picklist(['A', 'AAAA', 'CNAME', 'MX', 'NS', 'TXT']),
  name: v.string(),
  content: v.string(),
  ttl: v.number(),
  proxied: v.boolean(),
  priority: v.nullable(v.number()),
  comment: v.nullable(v.string()),
  createdOn: v.string(),
  modifiedOn: v.string(),
});

const QueueSchema = v.object({
  id: v.string(),
  name: v.string(),
  createdOn: v.string(),
  consumer: v.nullable(v.string()),
});

const HyperdriveSchema = v.object({
  id: v.string(),
  name: v.string(),
  origin: v.object({
    scheme: v.picklist(['postgres', 'postgresql']),
    host: v.string(),
    port: v.number(),
    database: v.string(),
    user: v.string(),
    password: v.string(),
  }),
  caching: v.object({
    disabled: v.boolean(),
    max_age: v.optional(v.number()),
    stale_while_revalidate: v.optional(v.number()),
  }),
  createdOn: v.string(),
  modifiedOn: v.string(),
});

const AccountSchema = v.object({
  createdOn: v.string(),
  scripts: v.array(ScriptSchema),
  buckets: v.array(BucketSchema),
  routes: v.array(v.object({ id: v.string(), pattern: v.string(), script: v.string() })),
  records: v.array(DnsRecordSchema),
  queues: v.optional(v.array(QueueSchema), []),
  hyperdrives: v.optional(v.array(HyperdriveSchema), []),
});

export type Account = v.InferOutput<typeof AccountSchema>;
export type AccountScript = v.InferOutput<typeof ScriptSchema>;
export type AccountVersion = v.InferOutput<typeof VersionSchema>;
export type AccountDeployment = v.InferOutput<typeof DeploymentSchema>;
export type AccountBinding = v.InferOutput<typeof BindingSchema>;
export type AccountBucket = v.InferOutput<typeof BucketSchema>;
export type AccountQueue = v.InferOutput<typeof QueueSchema>;
export type AccountHyperdrive = v.InferOutput<typeof HyperdriveSchema>;
export type AccountDnsRecord = v.InferOutput<typeof DnsRecordSchema>;

const ModulesSchema = v.record(v.string(), v.string());
export type VersionModules = v.InferOutput<typeof ModulesSchema>;

export interface AccountStore {
  /** What was last acknowledged. Read only: `change` replaces it. */
  current(): Account;
  /**
   * Edits a copy, writes it to disk, and only then makes it the current state; `apply` follows in the same turn.
   * Changes run one after the other. When `edit` throws, nothing has changed.
   */
  change<Result>(
    edit: (draft: Account) => Result | Promise<Result>,
    apply?: (account: Account) => void,
  ): Promise<Result>;
  writeModules(versionId: string, modules: VersionModules): Promise<void>;
  readModules(versionId: string): Promise<VersionModules>;
  removeModules(versionId: string): Promise<void>;
}

/**
 * Opens the account kept in `folder`, or begins an empty one. One file holds the account, one file each version's
 * modules; every write is complete on disk under its name, or not there at all. Throws when the file is not ours.
 */
export async function openAccount(folder: string): Promise<AccountStore> {
  const versions = path.join(folder, 'versions');
  await mkdir(versions, { recursive: true });
  const accountFile = path.join(folder, 'account.json');
  const modulesFile = (versionId: string) => path.join(versions, `${versionId}.json`);
  const stored = await readJson(accountFile);
  let account: Account =
    stored === null
      ? {
          createdOn: new Date().toISOString(),
          scripts: [],
          buckets: [],
          routes: [],
          records: [],
          queues: [],
          hyperdrives: [],
        }
      : v.parse(AccountSchema, stored);
  if (stored === null) await writeAtomically(accountFile, account);
  let last: Promise<unknown> = Promise.resolve();

  return {
    current: () => account,
    change(edit, apply) {
      const done = last.then(async () => {
        const draft = structuredClone(account);
        const result = await edit(draft);
        await writeAtomically(accountFile, draft);
        account = draft;
        apply?.(draft);
        return result;
      });
      // The caller hears of a failure; the next change must still run.
      last = done.catch(() => undefined);
      return done;
    },
    writeModules: (versionId, modules) => writeAtomically(modulesFile(versionId), modules),
    readModules: async (versionId) => v.parse(ModulesSchema, await readJson(modulesFile(versionId))),
    removeModules: (versionId) => rm(modulesFile(versionId), { force: true }),
  };
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  return text === null ? null : JSON.parse(text);
}

async function writeAtomically(file: string, value: unknown): Promise<void> {
  const draft = `${file}.${randomUUID()}.tmp`;
  // The bindings hold secrets: nobody else on this machine may read them.
  const handle = await open(draft, 'wx', 0o600);
  try {
    await handle.writeFile(JSON.stringify(value));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  // A rename is durable only once the folder itself is on disk.
  const folder = await open(path.dirname(file), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

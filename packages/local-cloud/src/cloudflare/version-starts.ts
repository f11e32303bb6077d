import type { Account, AccountScript, AccountStore, AccountVersion, VersionModules } from './account-state.ts';
import { ApiFailure } from './api-answer.ts';
import { sippyOf } from './api-sippy.ts';
import { connectionString } from './hyperdrive-config.ts';
import type { RuntimeRoute, WorkersRuntime } from './runtime-contract.ts';

/** How many of the newest uploads a deployment may use. */
export const deployableVersions = 100;

export interface VersionStarts {
  /** Starts a version in the runtime unless it runs already; answers startup ms. Throws 10021 with the runtime's words. */
  start(script: string, version: AccountVersion, modules?: VersionModules): Promise<number>;
}

export function createVersionStarts(runtime: WorkersRuntime, store: AccountStore): VersionStarts {
  const startups = new Map<string, Promise<number>>();
  return {
    start(script, version, modules) {
      const known = startups.get(version.id);
      if (known !== undefined) return known;
      const starting = addVersion(runtime, store, script, version, modules);
      startups.set(version.id, starting);
      // A version that did not start may be tried again.
      starting.catch(() => startups.delete(version.id));
      return starting;
    },
  };
}

async function addVersion(
  runtime: WorkersRuntime,
  store: AccountStore,
  script: string,
  version: AccountVersion,
  modules: VersionModules | undefined,
): Promise<number> {
  const sources = modules ?? (await store.readModules(version.id));
  try {
    const { startupTimeMs } = await runtime.addVersion({
      script,
      versionId: version.id,
      tag: version.annotations['workers/tag'] ?? '',
      createdOn: version.createdOn,
      mainModule: version.mainModule,
      modules: sources,
      compatibilityDate: version.compatibilityDate,
      compatibilityFlags: version.compatibilityFlags,
      bindings: version.bindings,
      objectClasses: version.objectClasses,
    });
    return startupTimeMs;
  } catch (error) {
    throw new ApiFailure(400, 10021, withoutSecrets(error instanceof Error ? error.message : String(error), version));
  }
}

/** The code may have put a secret into the words with which it failed. */
function withoutSecrets(text: string, version: AccountVersion): string {
  let clean = text;
  for (const binding of version.bindings) {
    if (binding.type === 'secret_text' && binding.text !== '') clean = clean.replaceAll(binding.text, '[secret]');
  }
  return clean;
}

/** Puts a kept account back into a fresh runtime: buckets, versions, deployments, routes and subdomains. */
export async function restoreAccount(account: Account, runtime: WorkersRuntime, starts: VersionStarts): Promise<void> {
  for (const bucket of account.buckets) {
    await runtime.ensureBucket(bucket.name);
    runtime.setSippy(bucket.name, sippyOf(bucket, runtime.r2Endpoint));
  }
  for (const config of account.hyperdrives) await runtime.setHyperdrive(config.id, connectionString(config));
  for (const script of account.scripts) {
    for (const version of versionsToRun(script)) {
      if (missingBucket(version, account.buckets) === undefined && !lacksHyperdrive(version, account))
        await starts.start(script.name, version);
    }
    runtime.setDeployment(script.name, servingSplit(script));
    runtime.setSubdomain(script.name, script.subdomain);
  }
  runtime.setRoutes(runtimeRoutes(account));
}

/** Those that serve or have served (rollback candidates), and the newest upload, whose preview is checked next. */
function versionsToRun(script: AccountScript): readonly AccountVersion[] {
  const deployed = new Set(script.deployments.flatMap((one) => one.versions.map((split) => split.version_id)));
  const serving = new Set(script.deployments[0]?.versions.map((split) => split.version_id));
  return script.versions.filter(
    (version, age) => serving.has(version.id) || age === 0 || (age < deployableVersions && deployed.has(version.id)),
  );
}

/** The first bucket that a version binds and the account no longer has: such a version cannot be deployed again. */
export function missingBucket(version: AccountVersion, buckets: Account['buckets']): string | undefined {
  for (const binding of version.bindings) {
    if (binding.type === 'r2_bucket' && !buckets.some((bucket) => bucket.name === binding.bucket_name)) {
      return binding.bucket_name;
    }
  }
  return undefined;
}

/** Whether a version binds a Hyperdrive config that the account no longer has. */
export function lacksHyperdrive(version: AccountVersion, { hyperdrives }: Pick<Account, 'hyperdrives'>): boolean {
  return version.bindings.some(
    (binding) => binding.type === 'hyperdrive' && !hyperdrives.some((config) => config.id === binding.id),
  );
}

/** What the newest deployment says, in the runtime's words; nothing when the script was never deployed. */
export function servingSplit(script: AccountScript): readonly { versionId: string; percentage: number }[] {
  const versions = script.deployments[0]?.versions ?? [];
  return versions.map((one) => ({ versionId: one.version_id, percentage: one.percentage }));
}

export function runtimeRoutes(account: Account): readonly RuntimeRoute[] {
  return account.routes.map(({ pattern, script }) => ({ pattern, script }));
}

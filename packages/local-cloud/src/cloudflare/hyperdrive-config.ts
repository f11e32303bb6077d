import type { Account, AccountHyperdrive } from './account-state.ts';

/** The connection string that a Worker bound to the config is handed. */
export function connectionString({ origin }: AccountHyperdrive): string {
  const { host, port, database, user, password } = origin;
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${host}:${port}/${encodeURIComponent(database)}`;
}

/** Names of the scripts of which a version that serves binds the config. */
export function scriptsBoundTo(account: Account, id: string): string[] {
  return account.scripts
    .filter((script) => {
      const serving = new Set(script.deployments[0]?.versions.map((one) => one.version_id));
      return script.versions.some(
        (version) =>
          serving.has(version.id) &&
          version.bindings.some((binding) => binding.type === 'hyperdrive' && binding.id === id),
      );
    })
    .map((script) => script.name);
}

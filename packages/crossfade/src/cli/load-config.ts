import { access } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as v from 'valibot';
import { rolloutConfigSchema, type Env, type RolloutConfig } from '../rollout/config.ts';
import { errorText } from '../rollout/error-text.ts';
import { UserError } from './user-error.ts';

export const DEFAULT_CONFIG = 'rollouts/audafact/crossfade.config.ts';

/** The whole path of a config file. @throws UserError when there is none. */
export async function configPath(file: string): Promise<string> {
  const path = resolve(file);
  await access(path).catch(() => {
    throw new UserError(
      'CROSSFADE_CONFIG_MISSING',
      `there is no config file at ${path}`,
      'name one with --config FILE',
    );
  });
  return path;
}

/**
 * Loads a config file, hands it the environment, and checks every field.
 * @throws UserError that names the file, the field, what was found and what was expected.
 */
export async function loadConfig(file: string, env: Env): Promise<RolloutConfig> {
  const path = await configPath(file);
  let module: { default?: unknown };
  try {
    module = (await import(pathToFileURL(path).href)) as { default?: unknown };
  } catch (error) {
    throw new UserError(
      'CROSSFADE_CONFIG_BROKEN',
      `${file} cannot be loaded: ${errorText(error)}`,
      'mend the file; it is TypeScript that Node runs as it is',
    );
  }
  const made = typeof module.default === 'function' ? (module.default(env) as unknown) : module.default;
  if (made === undefined) {
    throw new UserError(
      'CROSSFADE_CONFIG_EMPTY',
      `${file} has no default export`,
      'export default defineRollout((env) => ({ … }))',
    );
  }
  const parsed = v.safeParse(rolloutConfigSchema, made);
  if (parsed.success) return withPathsOf(await repositoryOf(path), parsed.output);
  throw new UserError(
    'CROSSFADE_CONFIG_INVALID',
    `${file} is not a valid config:\n${parsed.issues.map(describeIssue).join('\n')}`,
    'mend the fields above',
  );
}

/** The config's repository: what its paths are relative to, from wherever the command is run. */
async function repositoryOf(path: string): Promise<string> {
  for (let folder = dirname(path); dirname(folder) !== folder; folder = dirname(folder))
    if (await exists(join(folder, '.git'))) return folder;
  // A checkout without git's own folder, as an archive of it is.
  return process.cwd();
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/**
 * Paths as they are meant, where the command runs outside of the repository. Within it they stay as they are written:
 * a signature holds for a config, and must not depend on where it was checked out.
 */
function withPathsOf(repository: string, config: RolloutConfig): RolloutConfig {
  if (repository === process.cwd()) return config;
  const from = (path: string): string => resolve(repository, path);
  const { worker, environments, mediaRows, team, transfer } = config;
  const stores = Object.entries(transfer.stores ?? {}).map(([name, store]) => [
    name,
    store.kind === 'folder' ? { ...store, path: from(store.path) } : store,
  ]);
  const environment = <Environment extends typeof environments.staging>(one: Environment): Environment => ({
    ...one,
    frontend: { ...one.frontend, source: from(one.frontend.source) },
  });
  return {
    ...config,
    worker: {
      ...worker,
      entry: from(worker.entry),
      bypassEntry: from(worker.bypassEntry),
      limitsEntry: from(worker.limitsEntry),
    },
    environments: { staging: environment(environments.staging), production: environment(environments.production) },
    transfer: { ...transfer, ...(transfer.stores === undefined ? {} : { stores: Object.fromEntries(stores) }) },
    mediaRows: { ...mediaRows, migrations: from(mediaRows.migrations) },
    team: {
      ...team,
      people: from(team.people),
      communications: from(team.communications),
      escalation: from(team.escalation),
      onCall: 'file' in team.onCall ? { ...team.onCall, file: from(team.onCall.file) } : team.onCall,
    },
  };
}

/** Values of fields that open something are not printed back. */
const PRIVATE = /secret|password|token|key|url/i;

function describeIssue(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue) ?? '(the whole)';
  if (issue.expected === 'never') return `  ${field}: there is no such field`;
  if (issue.type === 'strict_object' && issue.received === 'undefined') return `  ${field}: is missing`;
  const found = PRIVATE.test(field) && issue.received !== 'undefined' ? 'another value' : issue.received;
  return `  ${field}: ${issue.expected === null ? issue.message : `expected ${issue.expected}`}, found ${found === 'undefined' ? 'nothing' : found}`;
}

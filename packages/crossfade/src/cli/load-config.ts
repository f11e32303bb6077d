import { access } from 'node:fs/promises';
import { resolve } from 'node:path';
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
  if (parsed.success) return parsed.output;
  throw new UserError(
    'CROSSFADE_CONFIG_INVALID',
    `${file} is not a valid config:\n${parsed.issues.map(describeIssue).join('\n')}`,
    'mend the fields above',
  );
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

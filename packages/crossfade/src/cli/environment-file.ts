import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Env } from '../rollout/config.ts';
import { UserError } from './user-error.ts';

/** The process's environment, with a file's beneath it: what is set outside wins. @throws UserError */
export async function readEnvironment(file: string | undefined): Promise<Env> {
  if (file === undefined) return process.env;
  const path = resolve(file);
  const text = await readFile(path, 'utf8').catch(() => {
    throw new UserError('CROSSFADE_ENV_MISSING', `there is no file ${path}`, 'name one with --env FILE');
  });
  return { ...parseEnv(text), ...process.env };
}

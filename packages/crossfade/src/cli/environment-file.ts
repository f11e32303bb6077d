import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parseEnv } from 'node:util';
import type { Env } from '../rollout/config.ts';
import { applyNetworkSettings } from './network-settings.ts';
import { UserError } from './user-error.ts';

/**
 * The process's environment, with a file's beneath it: what is set outside wins. A variable that is set to nothing
 * outside hides none of the file's, as an empty one counts as unset.
 * @throws UserError when there is no such file, or it is no text in UTF-8
 */
export async function readEnvironment(file: string | undefined): Promise<Env> {
  if (file === undefined) return process.env;
  const outside = Object.entries(process.env).filter(([, value]) => value !== '');
  const inside = parseEnv(await readText(resolve(file)));
  applyNetworkSettings(inside);
  return { ...process.env, ...inside, ...Object.fromEntries(outside) };
}

async function readText(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'EACCES') throw error;
    const problem = code === 'EISDIR' ? `${path} is a folder` : `there is no file ${path}`;
    throw new UserError('CROSSFADE_ENV_MISSING', problem, 'name one with --env FILE');
  }
  try {
    // It drops a byte-order mark, which would be part of the first variable's name.
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    if (!text.includes('\0')) return text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
  throw new UserError(
    'CROSSFADE_ENV_UNREADABLE',
    `${path} is no text in UTF-8`,
    'save it as UTF-8; Windows editors write UTF-16 when they are asked for "Unicode"',
  );
}

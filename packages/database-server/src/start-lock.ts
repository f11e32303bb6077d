import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { isAlive } from './processes.ts';

const POLL_MS = 25;

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

/**
 * Runs `work` while no other process does so for the same folder: two that make one database at once would each
 * remove what the other has begun. What a dead process left is taken away; one that holds it longer than `mostMs` is
 * taken for dead, since its pid may be another process's by now.
 */
export async function withStartLock<Answer>(
  folder: string,
  mostMs: number,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const file = join(folder, 'starting');
  const mine = `${process.pid} ${randomUUID()}`;
  await take(file, mine, mostMs);
  try {
    return await work();
  } finally {
    if ((await holderOf(file)) === mine) await rm(file, { force: true });
  }
}

async function take(file: string, mine: string, mostMs: number): Promise<void> {
  // Linked into its place, so that nobody ever reads it half written.
  const written = `${file}-${mine.replace(' ', '-')}`;
  await writeFile(written, mine);
  try {
    for (let seen = { holder: '', since: performance.now() }; ;) {
      try {
        await link(written, file);
        return;
      } catch (error) {
        if (!isCode(error, 'EEXIST')) throw error;
      }
      const holder = await holderOf(file);
      if (holder === null) continue;
      if (holder !== seen.holder) seen = { holder, since: performance.now() };
      if (isAlive(Number(holder.split(' ')[0])) && performance.now() - seen.since < mostMs)
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      else await takeAway(file, holder, `${written}-old`);
    }
  } finally {
    await rm(written, { force: true });
  }
}

/** Moved aside first: somebody quicker may have taken it by now, and then it goes back. */
async function takeAway(file: string, holder: string, aside: string): Promise<void> {
  try {
    await rename(file, aside);
    if ((await holderOf(aside)) !== holder) await link(aside, file);
  } catch (error) {
    if (!isCode(error, 'ENOENT') && !isCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(aside, { force: true });
  }
}

async function holderOf(file: string): Promise<string | null> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null;
    throw error;
  }
}

import { readFile, writeFile, rename, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';

const runState = v.object({
  rollout: v.string(),
  scenario: v.string(),
  startedAt: v.string(),
  /** The controller that drives it. */
  pid: v.number(),
  signingSecret: v.string(),
  finished: v.boolean(),
});
export type RunState = v.InferOutput<typeof runState>;

/** The rehearsal that was last begun in this folder, or `null`. */
export async function readRunState(file: string): Promise<RunState | null> {
  try {
    return v.parse(runState, JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** Written whole or not at all. */
export async function writeRunState(file: string, state: RunState): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(`${file}.new`, JSON.stringify(state, null, 2), { mode: 0o600 });
  await rename(`${file}.new`, file);
}

/** Whether a process of this id lives. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

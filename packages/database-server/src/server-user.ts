import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const NAME = 'postgres';

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

async function idOf(flag: '-u' | '-g'): Promise<number | null> {
  const answer = await run('id', [flag, NAME]).catch(() => null);
  return answer === null ? null : Number(answer.stdout.trim());
}

/** PostgreSQL refuses to run as root: then the system's `postgres` user runs it, and is made when missing. */
export async function serverUser(): Promise<ServerUser | null> {
  if (process.getuid?.() !== 0) return null;
  if ((await idOf('-u')) === null) await run('useradd', ['--system', '--no-create-home', NAME]);
  const [uid, gid] = [await idOf('-u'), await idOf('-g')];
  if (uid === null || gid === null)
    throw new Error(`the user ${NAME}, who must run the database for root, could not be made`);
  return { uid, gid };
}

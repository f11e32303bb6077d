import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

/** Where a rehearsal keeps its things. */
export interface Places {
  readonly root: string;
  /** Which rehearsal was begun here last. */
  readonly state: string;
  readonly world: string;
  readonly engine: string;
  readonly evidence: string;
  readonly archives: string;
}

const OTHERS_MAY_PASS = 0o001;

/** As root, Postgres runs as a user of its own, who must be able to pass through every folder above its data. */
async function othersMayPass(folder: string): Promise<boolean> {
  for (let one = resolve(folder); ; one = dirname(one)) {
    const info = await stat(one).catch(() => null);
    if (info !== null && (info.mode & OTHERS_MAY_PASS) === 0) return false;
    if (one === dirname(one)) return true;
  }
}

/**
 * The places of a checkout: below its `.crossfade`, or, where Postgres could not reach that (root's home is closed
 * to others), the running parts lie in the temporary folder and only what is kept stays in the checkout.
 */
export async function rehearsalPlaces(checkout: string): Promise<Places> {
  const root = join(checkout, '.crossfade');
  const closed = process.getuid?.() === 0 && !(await othersMayPass(checkout));
  const id = createHash('sha256').update(resolve(checkout)).digest('hex').slice(0, 12);
  const running = closed ? join(tmpdir(), `crossfade-${id}`) : join(root, 'rehearsal');
  return {
    root,
    state: join(root, 'rehearsal.json'),
    world: join(running, 'world'),
    engine: join(running, 'engine'),
    evidence: join(root, 'evidence'),
    archives: join(root, 'archives'),
  };
}

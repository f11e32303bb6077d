import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { heartbeat, startWorld, stopWorld } from '@crossfade/local-cloud';
import { rehearsalPlaces } from '../rehearsal/places.ts';
import { TTL_SCALE } from '../rehearsal/rehearse.ts';
import { worldEnv } from '../rehearsal/world-env.ts';
import type { Env } from '../rollout/config.ts';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';

const HEARTBEAT_EVERY_MS = 15_000;
export const CLOUD_ENV = '.crossfade/cloud.env';

/** Lines of an environment file; values in single quotes, which hold everything but themselves. */
export function environmentFile(env: Env): string {
  return Object.entries(env)
    .map(([name, value]) => `${name}='${value ?? ''}'\n`)
    .join('');
}

/** `crossfade cloud`: the rehearsal's cloud by itself, and the environment that leads the other commands to it. */
export async function cloudCommand(flags: CommandFlags): Promise<number> {
  const places = await rehearsalPlaces(process.cwd());
  const folder = join(dirname(places.world), 'cloud');
  const file = resolve(flags.env ?? CLOUD_ENV);
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());
  await stopWorld(folder);
  await rm(folder, { recursive: true, force: true });
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const interrupted = new Promise<void>((done) => stop.signal.addEventListener('abort', () => done(), { once: true }));
  try {
    const world = await startWorld({ folder, ttlScale: TTL_SCALE, onProgress: say, signal: stop.signal });
    const env = {
      ...worldEnv(world, randomBytes(24).toString('hex')),
      CROSSFADE_CLOCK_URL: world.controlUrl,
      // Here a restore can be tried, so versions are kept.
      BACKUP_BUCKET: 'audafact-backup',
    };
    await mkdir(dirname(file), { recursive: true });
    // It opens everything in this cloud: nobody else on this machine may read it.
    await writeFile(file, environmentFile(env), { mode: 0o600 });
    const beat = setInterval(() => void heartbeat(world).catch(() => {}), HEARTBEAT_EVERY_MS);
    if (flags.json === true)
      process.stdout.write(`${JSON.stringify({ env: file, next: [`crossfade stage --env ${file}`] })}\n`);
    say(`the local cloud is up; in another terminal: npm run crossfade -- stage --env ${file}`);
    say('Ctrl-C ends it');
    await interrupted;
    clearInterval(beat);
    return EXIT.interrupted;
  } catch (error) {
    if (stop.signal.aborted) return EXIT.interrupted;
    throw error;
  } finally {
    await stopWorld(folder);
    await rm(file, { force: true });
  }
}

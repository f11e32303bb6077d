import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SupabaseHandle, World } from '../world.ts';
import { startAudienceProcess, type AudienceProcess } from './process.ts';

/** The audiences that a world has, one after the other. */
export interface Audiences {
  now(): AudienceProcess;
  /**
   * Another audience takes the place of this one, which must be at rest. Its listeners are new users, so that no day's
   * limit holds what the former ones did; its counts begin at nothing, and it takes a seed of its own.
   */
  renew(): Promise<void>;
  close(): Promise<void>;
}

/** @param makeListeners creates users of production for the audience of that number, from 2 on */
export async function startAudiences(
  world: World,
  makeListeners: (number: number) => Promise<SupabaseHandle['users']>,
): Promise<Audiences> {
  let number = 0;
  async function start(users: SupabaseHandle['users']): Promise<AudienceProcess> {
    number++;
    const folder = join(world.folder, number === 1 ? 'audience' : `audience-${number}`);
    await mkdir(folder, { recursive: true });
    const file = join(folder, 'world.json');
    const seen = { ...world, supabase: { ...world.supabase, production: { ...world.supabase.production, users } } };
    await writeFile(file, JSON.stringify(seen), { mode: 0o600 });
    return startAudienceProcess(file, folder);
  }
  let current = await start(world.supabase.production.users);
  return {
    now: () => current,
    async renew() {
      const users = await makeListeners(number + 1);
      await current.close();
      current = await start(users);
    },
    close: () => current.close(),
  };
}

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { World } from '@crossfade/local-cloud/world';
import type { RolloutConfig } from '../rollout/config.ts';
import { buildPage } from './page-build.ts';

const STUDIO = fileURLToPath(new URL('../../../../apps/studio', import.meta.url));

/** Puts the app's front end under its staging and production names, each pointed at its own Worker. */
export async function deployStudio(world: World, config: RolloutConfig, say: (line: string) => void): Promise<void> {
  await buildPage(STUDIO, say);
  for (const name of ['staging', 'production'] as const) {
    const { frontend, worker, supabase } = config.environments[name];
    const response = await fetch(`${world.controlUrl}/pages/deploy`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        host: new URL(frontend.origin).hostname,
        folder: join(STUDIO, 'dist'),
        config: {
          workerEndpoint: worker.mediaOrigin,
          supabaseUrl: supabase.url,
          supabaseAnonKey: supabase.anonKey,
          environment: name,
        },
      }),
    });
    if (!response.ok) throw new Error(`the studio of ${name} could not be deployed: HTTP ${response.status}`);
  }
}

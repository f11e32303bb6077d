import { createHash } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as v from 'valibot';
import type { Providers } from '../../providers/providers.ts';
import type { EnvironmentName, RolloutConfig } from '../../rollout/config.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { buildPage } from './page-build.ts';

const CONFIG_FILE = 'config.json';
const deployed = v.object({ workerEndpoint: v.string(), environment: v.string(), build: v.string() });

/** What one build is told at run time, so that the same one serves every environment. */
function runtimeConfig(config: RolloutConfig, environment: EnvironmentName, build: string) {
  const { worker, supabase } = config.environments[environment];
  return {
    workerEndpoint: worker.mediaOrigin,
    supabaseUrl: supabase.url,
    supabaseAnonKey: supabase.anonKey,
    environment,
    build,
  };
}

type Deployed = { workerEndpoint: string; environment: string; build: string };

async function whatIsDeployed(
  config: RolloutConfig,
  providers: Pick<Providers, 'http'>,
  environment: EnvironmentName,
): Promise<Deployed | null> {
  const { origin } = config.environments[environment].frontend;
  const response = await providers.http.request(`${origin}/${CONFIG_FILE}`);
  if (response.status !== 200) return null;
  // A site without such a file answers with its start page.
  const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), deployed), response.body.toString('utf8'));
  return parsed.success ? parsed.output : null;
}

/** Builds the front end and publishes it, pointed at its own Worker, unless just that is there. Answers whether it had to. */
export async function publishFrontend(
  config: RolloutConfig,
  providers: Pick<Providers, 'http' | 'frontend'>,
  environment: EnvironmentName,
  say: (line: string) => void = () => {},
): Promise<boolean> {
  const { source, publishCommand } = config.environments[environment].frontend;
  const stamp = await buildPage(resolve(source), say);
  const wanted = runtimeConfig(config, environment, stamp);
  const now = await whatIsDeployed(config, providers, environment);
  const build = createHash('sha256').update(JSON.stringify(wanted)).digest('hex').slice(0, 16);
  if (now?.build === build) return false;
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-front-end-'));
  try {
    await cp(join(resolve(source), 'dist'), folder, { recursive: true });
    await writeFile(join(folder, CONFIG_FILE), JSON.stringify({ ...wanted, build }));
    await providers.frontend.publish(publishCommand, folder);
    return true;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** The front end of an environment is published and talks to that environment's Worker. */
export function frontendStep(environment: EnvironmentName): Step<{ before: Deployed | null }> {
  return {
    id: `${environment}.frontend`,
    title: `Front end of ${environment}, pointed at its Worker`,
    proves: [],
    look: async ({ config, providers }) => ({ before: await whatIsDeployed(config, providers, environment) }),
    run: async ({ config, providers }) => ({ published: await publishFrontend(config, providers, environment) }),
    async verify({ config, providers }) {
      const { mediaOrigin } = config.environments[environment].worker;
      const now = await whatIsDeployed(config, providers, environment);
      return verdict(now?.workerEndpoint === mediaOrigin && now.environment === environment, {
        summary: `the front end of ${environment} talks to ${now?.workerEndpoint ?? 'nobody'}`,
        measured: now === null ? null : { workerEndpoint: now.workerEndpoint, environment: now.environment },
        expected: { workerEndpoint: mediaOrigin, environment },
      });
    },
    // Its source is the app's repository: an earlier front end comes back by publishing an earlier commit.
    compensate: async (_context, { before }) => ({
      left: before === null ? 'the first front end' : 'the newer front end',
    }),
  };
}

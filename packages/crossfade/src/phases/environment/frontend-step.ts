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
/** The release that a rollout finds, and the one that it brings. */
export type Release = 'before' | 'after';

/** What one build is told at run time, so that the same one serves every environment. */
function runtimeConfig(config: RolloutConfig, environment: EnvironmentName, build: string, release: Release) {
  const { worker, supabase } = config.environments[environment];
  return {
    workerEndpoint: worker.mediaOrigin,
    supabaseUrl: supabase.url,
    supabaseAnonKey: supabase.anonKey,
    environment,
    release,
    build,
  };
}

type Deployed = { workerEndpoint: string; environment: string; build: string };

/** What the front end says of itself; `null` when there is none, or one that says nothing. */
export async function deployedFrontend(
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
  release: Release = 'after',
): Promise<boolean> {
  const { source, publishCommand } = config.environments[environment].frontend;
  const stamp = await buildPage(resolve(source), say);
  const wanted = runtimeConfig(config, environment, stamp, release);
  const now = await deployedFrontend(config, providers, environment);
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

/** Brings back an earlier build by the team's own command, unless just that is served. Answers whether it had to. */
export async function restoreFrontend(
  config: RolloutConfig,
  providers: Pick<Providers, 'http' | 'frontend'>,
  environment: EnvironmentName,
  build: string,
): Promise<boolean> {
  if ((await deployedFrontend(config, providers, environment))?.build === build) return false;
  await providers.frontend.restore(config.environments[environment].frontend.restoreCommand, build);
  return true;
}

/** The front end of an environment is published and talks to that environment's Worker. */
export function frontendStep(environment: EnvironmentName): Step<{ before: Deployed | null }> {
  return {
    id: `${environment}.frontend`,
    title: `Front end of ${environment}, pointed at its Worker`,
    proves: [],
    look: async ({ config, providers }) => ({ before: await deployedFrontend(config, providers, environment) }),
    run: async ({ config, providers }) => ({ published: await publishFrontend(config, providers, environment) }),
    async verify({ config, providers }) {
      const { mediaOrigin } = config.environments[environment].worker;
      const now = await deployedFrontend(config, providers, environment);
      return verdict(now?.workerEndpoint === mediaOrigin && now.environment === environment, {
        summary: `the front end of ${environment} talks to ${now?.workerEndpoint ?? 'nobody'}`,
        measured: now === null ? null : { workerEndpoint: now.workerEndpoint, environment: now.environment },
        expected: { workerEndpoint: mediaOrigin, environment },
      });
    },
    byHand: ({ config }, { before }) =>
      config.environments[environment].frontend.restoreCommand.replaceAll('{build}', before?.build ?? ''),
    async compensate({ config, providers }, { before }) {
      if (before === null) return { left: 'the first front end' };
      return { restored: await restoreFrontend(config, providers, environment, before.build) };
    },
  };
}

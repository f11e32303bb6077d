import pLimit from 'p-limit';
import type { Browser } from 'playwright-core';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { skipped, verdict } from '../../rollout/verdict.ts';
import { openMediaClient } from '../worker/media-client.ts';
import { toneWav } from '../worker/tone-wav.ts';
import { openBrowser, runJourney } from './browser-journey.ts';
import type { Journey } from './journey.ts';

const TONE_SECONDS = 3;
/** More browser windows than this at once measure each other. */
const WINDOWS = 2;

/** Every host that the front end talks to, with the address that the public's resolvers give. */
async function hostAddresses({ config, providers }: RolloutContext): Promise<Record<string, string>> {
  const { frontend, worker, supabase } = config.environments.staging;
  const hosts = [frontend.origin, worker.mediaOrigin, supabase.url].map((origin) => new URL(origin).hostname);
  const found: Record<string, string> = {};
  for (const host of hosts) {
    if (/^[\d.]+$/.test(host)) continue;
    const address = (await providers.dns.atResolvers(host)).find((answer) => answer.addresses.length > 0)?.addresses[0];
    if (address === undefined) throw new Error(`no resolver knows ${host}`);
    found[host] = address;
  }
  return found;
}

/** Removes what a journey uploaded. */
async function removeTraces(context: RolloutContext, { leaves = [] }: Journey): Promise<void> {
  if (leaves.length === 0) return;
  const client = await openMediaClient(context, 'staging');
  const traces = (await client.uploads()).filter(({ key }) => leaves.some((part) => key.includes(part)));
  await Promise.all(traces.map(({ key }) => client.remove(key)));
}

/** Journeys through the deployed staging front end in a real browser; `null` as the browser means that none was found. */
export function journeyChecks(journeys: readonly Journey[], chromiumPath: string | null): Check[] {
  // The journeys that run side by side share one browser, which closes with the last of them.
  const atOnce = pLimit(WINDOWS);
  let shared: { browser: Promise<Browser>; users: number } | null = null;
  return journeys.map((journey) => ({
    id: `staging.frontend.${journey.id}`,
    title: journey.title,
    proves: journey.proves,
    async run(context) {
      if (chromiumPath === null)
        return skipped('no Chromium was found; install one or set CROSSFADE_CHROMIUM to its path');
      const { frontend, testUsers } = context.config.environments.staging;
      const user = testUsers.find((one) => one.tier === 'enterprise') ?? testUsers[0];
      if (user === undefined) return skipped('environments.staging.testUsers is empty');
      const current = (shared ??= {
        browser: hostAddresses(context).then((hosts) => openBrowser(chromiumPath, hosts)),
        users: 0,
      });
      current.users++;
      try {
        const world = { frontendOrigin: frontend.origin, user, wav: toneWav(TONE_SECONDS, 440) };
        const browser = await current.browser;
        const result = await atOnce(() => runJourney(browser, journey, world));
        await removeTraces(context, journey);
        const place = `staging/journeys/${journey.id}`;
        const evidence = [
          await context.keep(`${place}/screenshot.png`, result.screenshot),
          await context.keep(`${place}/trace.zip`, result.trace),
          await context.keep(`${place}/console.json`, JSON.stringify(result.console, null, 2)),
        ];
        return verdict(result.passed, {
          summary: result.passed ? `walked to its end: ${JSON.stringify(result.measured)}` : result.failures.join('; '),
          measured: { result: result.measured, failures: [...result.failures] },
          expected: { failures: [] },
          evidence,
        });
      } finally {
        current.users--;
        if (current.users === 0) {
          shared = null;
          await (await current.browser).close();
        }
      }
    },
  }));
}

import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { bucketRulesCheck } from './rules-check.ts';
import { metaOf } from '../../providers/object-meta.ts';

const META = metaOf({ contentType: 'audio/wav' });
const MARGIN_SECONDS = 60;

interface Expiry {
  readonly prefix: string;
  readonly before: string;
  readonly after: string;
  readonly other: string;
}

/** Puts a probe below the prefix, lets the platform's clock run to just before and just after its age, and looks. */
async function seeExpiry(
  { config, providers, rollout }: RolloutContext,
  environment: EnvironmentName,
  rule: { prefix: string; after: number },
): Promise<Expiry | null> {
  const { clock } = providers;
  if (clock === null) return null;
  const { bucket } = config.environments[environment].worker;
  const store = providers.r2[environment];
  const aging = `${rule.prefix}crossfade-probe/${rollout}.wav`;
  const other = `crossfade-probe/${rollout}.wav`;
  await Promise.all([aging, other].map((key) => store.put(key, new Uint8Array(16), 16, META)));
  const there = async (key: string): Promise<string> => ((await store.head(key)) === null ? 'gone' : 'there');
  try {
    const age = rule.after * 1000;
    await clock.expireObjects(bucket, Date.now() + age - MARGIN_SECONDS * 1000);
    const before = await there(aging);
    await clock.expireObjects(bucket, Date.now() + age + MARGIN_SECONDS * 1000);
    return { prefix: rule.prefix, before, after: await there(aging), other: await there(other) };
  } finally {
    await Promise.all([aging, other].map((key) => store.delete(key)));
  }
}

/** The rules on the bucket equal the config, and, where the platform can be told the time, act as they say. */
export function lifecycleCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  const rules = bucketRulesCheck(environment, []);
  return {
    id: `${environment}.r2.lifecycle`,
    title: `Lifecycle of the ${environment} bucket is the config's, and files expire by it`,
    proves,
    async run(context) {
      const asConfigured = await rules.run(context);
      if (asConfigured.status !== 'pass') return asConfigured;
      const seen: Expiry[] = [];
      for (const rule of context.config.bucketRules.expire) {
        const expiry = await seeExpiry(context, environment, rule);
        if (expiry !== null) seen.push(expiry);
      }
      const wrong = seen.filter((one) => `${one.before} ${one.after} ${one.other}` !== 'there gone there');
      const shown = seen.map((one) => ({ ...one }));
      return verdict(wrong.length === 0, {
        summary: `${asConfigured.summary}; ${
          seen.length === 0
            ? 'nobody can tell this platform the time, so that no expiry was seen'
            : seen.map((one) => `${one.prefix} before its age ${one.before}, after it ${one.after}`).join(', ')
        }`,
        measured: { rules: asConfigured.measured, expiry: shown },
        expected: { rules: asConfigured.expected, expiry: 'there before the age, gone after it, others there' },
      });
    },
  };
}

import type { EnvironmentName } from '../../rollout/config.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { bringTo, lackingUpTo } from './media-rows.ts';

/** The database has the columns and indexes that the Worker addresses media by: the migrations of the stage `expand`. */
export function databaseStep(environment: EnvironmentName): Step<{ missing: string[] }> {
  return {
    id: `${environment}.database`,
    title: `Database of ${environment} addresses media by key`,
    proves: [],
    look: async (context) => ({ missing: await lackingUpTo(context, environment, 'expand') }),
    run: (context) => bringTo(context, environment, 'expand'),
    async verify(context) {
      const lacking = await lackingUpTo(context, environment, 'expand');
      return verdict(lacking.length === 0, {
        summary: lacking.length === 0 ? 'all that the Worker needs is there' : `missing: ${lacking.join(', ')}`,
        measured: lacking,
        expected: [],
      });
    },
    // A column more harms nobody, and may hold keys by now.
    compensate: async (_context, before) => ({ left: before.missing }),
  };
}

import * as v from 'valibot';
import type { RollbackStep } from '../../rollout/plan.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { verdict } from '../../rollout/verdict.ts';
import { deployedFrontend, restoreFrontend } from '../environment/frontend-step.ts';
import { SharedMedium } from '../environment/shared-media.ts';
import { keepAddressesInStep, rowsWithout } from '../preparation/file-keys.ts';

const frontendBefore = v.object({ before: v.nullable(v.object({ build: v.string() })) });

/** The build of the front end from before the switch, as the journal holds it; `null` when none was published. */
async function buildBefore(context: RolloutContext): Promise<string | null> {
  const event = (await context.history()).findLast(
    (one) => one.kind === 'step.looked' && one.subject === 'production.frontend',
  );
  return event?.kind === 'step.looked' ? (v.parse(frontendBefore, event.data.before).before?.build ?? null) : null;
}

/** The front end from before the switch is served again. */
export function frontendBack(): RollbackStep {
  return {
    id: 'rollback.frontend',
    title: 'Front end back to the release before',
    async byHand(context) {
      const { restoreCommand } = context.config.environments.production.frontend;
      return restoreCommand.replaceAll('{build}', (await buildBefore(context)) ?? '');
    },
    async run(context) {
      const build = await buildBefore(context);
      if (build === null) return { already: true };
      return { restored: await restoreFrontend(context.config, context.providers, 'production', build) };
    },
    async verify(context) {
      const build = await buildBefore(context);
      const now = (await deployedFrontend(context.config, context.providers, 'production'))?.build ?? null;
      return verdict(build === null || now === build, {
        summary: build === null ? 'no other front end was published' : `the front end is build ${now ?? 'unknown'}`,
        measured: now,
        expected: build,
      });
    },
  };
}

/** Every row has the public URL that the old app reads, also those that were written since the switch. */
export function databaseBack(): RollbackStep {
  return {
    id: 'rollback.database',
    title: 'Database rows have the addresses that the old app reads',
    byHand: async ({ config }) =>
      `psql "$PRODUCTION_DATABASE_URL" -c "update uploads set file_url = '${config.environments.production.worker.mediaOrigin}/storage/v1/object/public/${config.environments.production.supabase.bucket}/' || file_key where file_url is null"`,
    async run(context) {
      try {
        return await keepAddressesInStep(context);
      } catch (error) {
        // Written to the old column alone, while nothing kept the two in step: the old app reads such rows by that.
        if (error instanceof SharedMedium) return { withoutKey: error.message };
        throw error;
      }
    },
    async verify(context) {
      const { urls } = await rowsWithout(context);
      return verdict(urls === 0, {
        summary: `${urls} rows have a key and no URL`,
        measured: urls,
        expected: 0,
      });
    },
  };
}

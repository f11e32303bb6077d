import type { HyperdriveConfig } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { servingSplit } from './deployment.ts';
import { differences, findHyperdrive, wantedHyperdrive } from './hyperdrive-config.ts';

type HyperdriveBefore = { found: HyperdriveConfig | null };

/** A Hyperdrive config leads to the environment's database. One that the config names by its id is used as it is. */
export function hyperdriveStep(environment: EnvironmentName): Step<HyperdriveBefore> {
  return {
    id: `${environment}.hyperdrive`,
    title: `Hyperdrive in front of ${environment}'s database`,
    proves: [],
    look: async (context) => ({ found: await findHyperdrive(context, environment) }),
    async run(context) {
      const { cloudflare } = context.providers;
      const { hyperdriveId } = context.config.environments[environment];
      const found = await findHyperdrive(context, environment);
      if (hyperdriveId !== undefined) {
        if (found !== null) return { id: found.id, given: true };
        throw new Error(
          `environments.${environment}.hyperdriveId names no Hyperdrive config of this account: correct it, or leave it out`,
        );
      }
      const { name, origin } = wantedHyperdrive(context.config, environment);
      if (found === null) {
        const { id } = await cloudflare.createHyperdrive(name, origin);
        return { id, created: true, corrected: [] };
      }
      const corrected = differences(found, { name, origin });
      if (corrected.length > 0) await cloudflare.updateHyperdrive(found.id, name, origin);
      return { id: found.id, created: false, corrected };
    },
    async verify(context) {
      const found = await findHyperdrive(context, environment);
      const given = context.config.environments[environment].hyperdriveId !== undefined;
      const wanted = wantedHyperdrive(context.config, environment);
      const differing = found === null ? ['all'] : given ? [] : differences(found, wanted);
      return verdict(differing.length === 0, {
        summary:
          found === null
            ? `there is no Hyperdrive config ${wanted.name}`
            : `Hyperdrive config ${found.name} leads to ${found.origin.host}, ${differing.length === 0 ? 'as wanted' : `but differs in ${differing.join(', ')}`}`,
        measured: differing,
        expected: [],
      });
    },
    async compensate(context, before) {
      // Its password is not known, so it cannot be written back; and ours leads to the same database.
      if (before.found !== null) return { left: 'it was there before' };
      const found = await findHyperdrive(context, environment);
      if (found === null) return { already: true };
      if ((await servingSplit(context, environment)) !== null) return { left: 'a Worker that serves may bind it' };
      await context.providers.cloudflare.deleteHyperdrive(found.id);
      return { deleted: found.name };
    },
  };
}

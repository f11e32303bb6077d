import type { EnvironmentName } from '../../rollout/config.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';

/** The queue that is told of every write and delete exists, and a mirror outside can pull from it. */
export function queueStep(environment: EnvironmentName): Step<{ existed: boolean }> {
  return {
    id: `${environment}.queue`,
    title: `Queue of media events of ${environment}`,
    proves: [],
    async look({ config, providers }) {
      return {
        existed: (await providers.cloudflare.getQueue(config.environments[environment].worker.eventsQueue)) !== null,
      };
    },
    async run({ config, providers }) {
      const name = config.environments[environment].worker.eventsQueue;
      const queue = await providers.cloudflare.getQueue(name);
      const { id } = queue ?? (await providers.cloudflare.createQueue(name));
      const pulled = (queue?.pullConsumers ?? 0) > 0;
      if (!pulled) await providers.cloudflare.createPullConsumer(id);
      return { id, created: queue === null, consumerCreated: !pulled };
    },
    async verify({ config, providers }) {
      const name = config.environments[environment].worker.eventsQueue;
      const queue = await providers.cloudflare.getQueue(name);
      return verdict(queue?.pullConsumers === 1, {
        summary:
          queue === null ? `there is no queue ${name}` : `queue ${name} with ${queue.pullConsumers} pull consumer`,
        measured: queue?.pullConsumers ?? null,
        expected: 1,
      });
    },
    // A Worker that serves still binds it: it stays, and events wait in it for nobody.
    compensate: async (_context, { existed }) => ({ left: existed ? 'it was there before' : 'the new queue' }),
  };
}

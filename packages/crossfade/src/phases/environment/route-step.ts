import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { askHealth, edgeAddress } from './deployment.ts';

type RouteBefore = { script: string | null; existed: boolean };

function patternFor({ config }: RolloutContext, environment: EnvironmentName): string {
  return `${new URL(config.environments[environment].worker.mediaOrigin).hostname}/*`;
}

/**
 * The media host's route leads to the Worker. A route acts only on a proxied record, so in production it lies
 * still until the DNS phase. A route that another Worker holds is not taken over.
 */
export function routeStep(environment: EnvironmentName, proves: readonly string[]): Step<RouteBefore> {
  const find = async (context: RolloutContext) => {
    const pattern = patternFor(context, environment);
    return (await context.providers.cloudflare.listRoutes()).find((route) => route.pattern === pattern) ?? null;
  };
  return {
    id: `${environment}.route`,
    title: `Route of the ${environment} media host to the Worker`,
    proves,
    async look(context) {
      const route = await find(context);
      return { existed: route !== null, script: route?.script ?? null };
    },
    async run(context) {
      const { name } = context.config.environments[environment].worker;
      const route = await find(context);
      if (route?.script === name) return { already: true, pattern: route.pattern };
      if (route !== null) {
        throw new Error(
          `the route ${route.pattern} belongs to the Worker ${route.script ?? '(none)'}; remove it first or name another media host`,
        );
      }
      const created = await context.providers.cloudflare.createRoute(patternFor(context, environment), name);
      return { already: false, pattern: created.pattern };
    },
    async verify(context) {
      const { name } = context.config.environments[environment].worker;
      const route = await find(context);
      const health = await askHealth(context, environment, { via: edgeAddress(context) });
      return verdict(route?.script === name && health.environment === environment, {
        summary: `${patternFor(context, environment)} → ${route?.script ?? 'no route'}; the edge answers with the ${health.build} build of ${health.environment}`,
        measured: { script: route?.script ?? null, environment: health.environment, build: health.build },
        expected: { script: name, environment },
      });
    },
    async compensate(context, before) {
      const route = await find(context);
      if (before.existed || route === null) return { removed: false };
      await context.providers.cloudflare.deleteRoute(route.id);
      return { removed: true };
    },
  };
}

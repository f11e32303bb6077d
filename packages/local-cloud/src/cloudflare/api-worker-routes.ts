import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Account } from './account-state.ts';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { runtimeRoutes } from './version-starts.ts';

const RouteBody = v.object({ pattern: v.string(), script: v.optional(v.string()) });

/** The zone's Worker routes: which script stands in front of which host and path. */
export function routeHandlers({ identity, store, runtime }: ApiContext): ApiHandlers {
  const apply = (account: Account) => runtime.setRoutes(runtimeRoutes(account));

  /** What the body asks for. Throws where the vendor refuses, `own` being the route that is replaced. */
  function wanted(body: unknown, account: Account, own?: string) {
    const { pattern, script } = v.parse(RouteBody, body);
    if (!coversZone(pattern, identity.zoneName)) {
      throw new ApiFailure(400, 10021, `Route pattern "${pattern}" does not belong to the zone ${identity.zoneName}.`);
    }
    if (script === undefined) {
      throw new ApiFailure(400, 10021, 'local-cloud has no origin behind its edge: a route needs a script.');
    }
    if (!account.scripts.some((one) => one.name === script)) {
      const reason = 'Cannot configure a route for a Worker which does not exist.';
      throw new ApiFailure(404, 10019, `${reason} Please ensure this Worker exists and try again.`);
    }
    if (account.routes.some((one) => one.pattern === pattern && one.id !== own)) {
      throw new ApiFailure(409, 10020, 'A route with the same pattern already exists.');
    }
    return { pattern, script };
  }

  return {
    'workers.routes.list': () => ok(store.current().routes),
    'workers.routes.get': ({ params }) => ok(routeWith(store.current(), params['route_id'])),
    'workers.routes.create': async ({ body }) => {
      const created = await store.change((draft) => {
        const route = { id: randomUUID().replaceAll('-', ''), ...wanted(body, draft) };
        draft.routes.push(route);
        return route;
      }, apply);
      return ok(created);
    },
    'workers.routes.update': async ({ params, body }) => {
      const updated = await store.change((draft) => {
        const route = routeWith(draft, params['route_id']);
        return Object.assign(route, wanted(body, draft, route.id));
      }, apply);
      return ok(updated);
    },
    'workers.routes.delete': async ({ params }) => {
      const removed = await store.change((draft) => {
        const route = routeWith(draft, params['route_id']);
        draft.routes = draft.routes.filter((one) => one !== route);
        return { id: route.id };
      }, apply);
      return ok(removed);
    },
  };
}

function routeWith(account: Account, id: string | undefined): Account['routes'][number] {
  const route = account.routes.find((one) => one.id === id);
  if (route === undefined) throw new ApiFailure(404, 10007, 'This route does not exist on the zone.');
  return route;
}

function coversZone(pattern: string, zone: string): boolean {
  const host = pattern.replace(/^https?:\/\//, '').split('/')[0] ?? '';
  return host === zone || host.endsWith(`.${zone}`) || host === `*${zone}`;
}

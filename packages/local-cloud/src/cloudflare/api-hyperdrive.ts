import { randomUUID } from 'node:crypto';
import * as v from 'valibot';
import type { Account, AccountHyperdrive } from './account-state.ts';
import { ApiFailure, ok, pageOf } from './api-answer.ts';
import type { ApiHandlers, ApiRequest } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { connectionString, scriptsBoundTo } from './hyperdrive-config.ts';

const Scheme = v.picklist(['postgres', 'postgresql']);
const Origin = v.object({
  scheme: Scheme,
  host: v.string(),
  port: v.number(),
  database: v.string(),
  user: v.string(),
  password: v.string(),
});
const Caching = v.object({
  disabled: v.optional(v.boolean(), false),
  max_age: v.nullish(v.number()),
  stale_while_revalidate: v.nullish(v.number()),
});
const Whole = v.object({ name: v.string(), origin: Origin, caching: v.optional(Caching, {}) });
const Part = v.partial(v.object({ name: v.string(), origin: v.record(v.string(), v.unknown()), caching: Caching }));

/** Seconds; the vendor's documentation of query caching. */
const DEFAULT_MAX_AGE = 60;
const DEFAULT_STALE = 15;

/** Configs of Hyperdrive: the databases that Workers bind. A changed one reaches the versions that bind it at once. */
export function hyperdriveHandlers({ store, runtime }: ApiContext): ApiHandlers {
  const write = async (config: AccountHyperdrive, isNew: boolean) => {
    await store.change(async (draft) => {
      if (!isNew) configNamed(draft, config.id);
      if (draft.hyperdrives.some((one) => one.name === config.name && one.id !== config.id))
        throw new ApiFailure(409, 2017, 'A Hyperdrive config with the given name already exists');
      // First the runtime: an acknowledged config is one that Workers can bind.
      await runtime.setHyperdrive(config.id, connectionString(config));
      draft.hyperdrives = [...draft.hyperdrives.filter((one) => one.id !== config.id), config];
    });
    return ok(shownConfig(config));
  };
  const configOf = ({ params }: ApiRequest) => configNamed(store.current(), params['hyperdrive_id']);
  const now = (): string => new Date().toISOString();

  return {
    'hyperdrive.configs.list': ({ query }) => {
      const { shown, info } = pageOf(store.current().hyperdrives, query, 20);
      return ok(shown.map(shownConfig), info);
    },
    'hyperdrive.configs.get': (request) => ok(shownConfig(configOf(request))),
    'hyperdrive.configs.create': ({ body }) => {
      const { name, origin, caching } = v.parse(Whole, body);
      const config = { id: randomUUID().replaceAll('-', ''), name, origin, caching: cachingOf(caching) };
      return write({ ...config, createdOn: now(), modifiedOn: now() }, true);
    },
    // Caching that is left out goes back to its defaults.
    'hyperdrive.configs.update': (request) => {
      const { name, origin, caching } = v.parse(Whole, request.body);
      return write({ ...configOf(request), name, origin, caching: cachingOf(caching), modifiedOn: now() }, false);
    },
    'hyperdrive.configs.edit': (request) => {
      const old = configOf(request);
      const { name = old.name, origin, caching } = v.parse(Part, request.body);
      return write(
        {
          ...old,
          name,
          origin: v.parse(Origin, { ...old.origin, ...origin }),
          caching: caching === undefined ? old.caching : cachingOf(caching),
          modifiedOn: now(),
        },
        false,
      );
    },
    'hyperdrive.configs.delete': async (request) => {
      const { id } = configOf(request);
      await store.change(async (draft) => {
        configNamed(draft, id);
        const bound = scriptsBoundTo(draft, id);
        // The vendor's code for this is not documented; what matters is that the database of a Worker stays.
        if (bound.length > 0) throw new ApiFailure(409, 2019, `The config is bound to ${bound.join(', ')}.`);
        await runtime.setHyperdrive(id, null);
        draft.hyperdrives = draft.hyperdrives.filter((one) => one.id !== id);
      });
      return ok(null);
    },
  };
}

function configNamed(account: Account, id: string | undefined): AccountHyperdrive {
  const config = account.hyperdrives.find((one) => one.id === id);
  // 2002 is by hand, as no document names the vendor's code.
  if (config === undefined) throw new ApiFailure(404, 2002, 'The Hyperdrive config does not exist.');
  return config;
}

/** As it reads back: settings of a cache that is off are not kept. */
function cachingOf({ disabled, max_age: maxAge, stale_while_revalidate: stale }: v.InferOutput<typeof Caching>) {
  return disabled
    ? { disabled }
    : { disabled, max_age: maxAge ?? DEFAULT_MAX_AGE, stale_while_revalidate: stale ?? DEFAULT_STALE };
}

/** The password is written, never read. */
function shownConfig({ id, name, origin, caching, createdOn, modifiedOn }: AccountHyperdrive) {
  const { password: _hidden, ...shown } = origin;
  return { id, name, origin: shown, caching, created_on: createdOn, modified_on: modifiedOn };
}

import type { DatabaseProvider, Providers } from '../providers/providers.ts';

/** Methods that change something, by the first word of their names; all others ask. */
const CHANGES = /^(upload|deploy|set|create|delete|put|patch|publish|restore|ack)/;

/**
 * Passes even when the work is over, while the rollout is ours. Left on, Sippy brings back what users delete, and an
 * interrupted step has no other chance. Who lost the rollout leaves it to who has it.
 */
const WHILE_OURS = new Set(['deleteSippy']);

/** Runs before a call that changes something; what it throws keeps the call from being made. */
export type Guard = () => Promise<void>;

/** Counts the changes that are under way, so that who takes the world back can wait for them. */
export interface ChangesUnderWay {
  track<Answer>(change: () => Promise<Answer>): Promise<Answer>;
  /** Resolves when none is under way, or after so many ms. */
  settled(withinMs: number): Promise<void>;
}

export function createChangesUnderWay(): ChangesUnderWay {
  const underWay = new Set<Promise<unknown>>();
  return {
    async track(change) {
      const one = change();
      underWay.add(one);
      try {
        return await one;
      } finally {
        underWay.delete(one);
      }
    },
    async settled(withinMs) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, withinMs)));
      await Promise.race([late, Promise.allSettled(underWay)]);
      clearTimeout(timer);
    },
  };
}

/** The provider, of which each change passes the guard first and is counted while it is under way. */
function guarded<Provider extends object>(
  provider: Provider,
  guard: Guard,
  changes: ChangesUnderWay,
  ours: Guard = guard,
): Provider {
  return new Proxy(provider, {
    get(target, name, receiver) {
      const own: unknown = Reflect.get(target, name, receiver);
      if (typeof own !== 'function' || typeof name !== 'string' || !CHANGES.test(name)) return own;
      const ask = WHILE_OURS.has(name) ? ours : guard;
      // Under way with its question: whoever waits for the changes may end the process after that.
      return (...args: unknown[]) =>
        changes.track(async () => {
          await ask();
          return Reflect.apply(own, target, args) as unknown;
        });
    },
  });
}

function guardedDatabase(database: DatabaseProvider, guard: Guard, changes: ChangesUnderWay): DatabaseProvider {
  return {
    async query(text, values) {
      if (/^\s*select\b/i.test(text)) return database.query(text, values);
      return changes.track(async () => {
        await guard();
        return database.query(text, values);
      });
    },
  };
}

/**
 * Everything outside, with a guard before each change; `ours` asks for the rollout's lock alone. Copies of objects are
 * many and harm nobody: they pass by `cheap`, which asks no database.
 */
export function guardProviders(
  providers: Providers,
  guards: { readonly strict: Guard; readonly cheap: Guard; readonly ours: Guard },
  changes: ChangesUnderWay,
): Providers {
  const { strict, cheap, ours } = guards;
  return {
    ...providers,
    cloudflare: guarded(providers.cloudflare, strict, changes, ours),
    supabase: {
      staging: guarded(providers.supabase.staging, strict, changes),
      production: guarded(providers.supabase.production, strict, changes),
    },
    database: {
      staging: guardedDatabase(providers.database.staging, strict, changes),
      production: guardedDatabase(providers.database.production, strict, changes),
    },
    legacyStore: guarded(providers.legacyStore, cheap, changes),
    r2: {
      staging: guarded(providers.r2.staging, cheap, changes),
      production: guarded(providers.r2.production, cheap, changes),
    },
    backup: providers.backup === null ? null : guarded(providers.backup, cheap, changes),
    frontend: guarded(providers.frontend, strict, changes),
  };
}

import { USER_AGENT } from '../../providers/user-agent.ts';
import type { Check } from '../../rollout/plan.ts';
import { watchedTime } from '../watch/watched-time.ts';
import { verdict } from '../../rollout/verdict.ts';

/** In the verdict; the vendor's log has them all. */
const MOST_NAMED = 10;

/**
 * Nobody but Crossfade asked the legacy store for anything while production was watched: the proof before anything is
 * taken away. The mirror keeps legacy in step until then, and the Worker deletes on both sides; their requests carry
 * our name. A log in which not even those are seen is silent and proves nothing.
 */
export function legacyQuietCheck(): Check {
  return {
    id: 'cleanup.legacyQuiet',
    title: 'Nobody used the legacy store during the watch',
    proves: [],
    async run(context) {
      const watched = watchedTime(await context.history());
      if (watched === null) return verdict(false, { summary: 'the watch was not kept', measured: null, expected: 0 });
      const { since, until } = watched;
      const agents = await context.providers.supabase.production.storageAgents(since, until);
      const own = agents.filter(({ agent }) => agent.startsWith(USER_AGENT));
      const others = agents.filter((one) => !own.includes(one));
      const sum = (some: typeof agents): number => some.reduce((total, one) => total + one.requests, 0);
      const seconds = Math.round((until - since) / 1000);
      return verdict(others.length === 0 && own.length > 0, {
        summary: `${sum(others)} storage requests of others at legacy in the ${seconds} s of the watch, and ${sum(own)} of ours`,
        measured: {
          requests: sum(others),
          own: sum(own),
          seconds,
          agents: others.slice(0, MOST_NAMED).map((one) => ({ ...one })),
        },
        expected: { requests: 0, own: '> 0' },
        mend: 'find out who still uses legacy (its log names the paths and user agents), then: crossfade watch',
      });
    },
  };
}

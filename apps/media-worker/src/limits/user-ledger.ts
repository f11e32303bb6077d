import { ApiError } from '../api-error.ts';
import type { Env } from '../env.ts';
import type { Tier } from '../library.ts';
import type { LimitAnswer, Rule, TierLimits } from './tier-limits.ts';
import type { UserLimits } from './user-limits.ts';

/** A ledger that is handed to a newer version answers again within a second; so long are its callers patient, ms. */
const WAITS_MS = [50, 150, 400, 800];

/** Thrown when the ledger stays away. */
export class LedgerUnavailable extends Error {}

const parsed = new Map<string, Record<Tier, TierLimits>>();

/** The limits of a tier, as the deployment binds them. */
export function limitsOf(env: Env, tier: Tier): TierLimits {
  const known = parsed.get(env.TIER_LIMITS) ?? (JSON.parse(env.TIER_LIMITS) as Record<Tier, TierLimits>);
  parsed.set(env.TIER_LIMITS, known);
  return known[tier];
}

/** Asks a user's ledger, again while it is being handed over. @throws LedgerUnavailable */
export async function askLedger<Answer>(
  env: Env,
  userId: string,
  ask: (ledger: DurableObjectStub<UserLimits>) => Promise<Answer>,
): Promise<Answer> {
  for (const wait of [...WAITS_MS, null]) {
    try {
      // A stub whose object broke stays broken: each attempt takes a new one.
      return await ask(env.LIMITS.get(env.LIMITS.idFromName(userId)));
    } catch (error) {
      if (wait === null) throw new LedgerUnavailable('the ledger of limits does not answer', { cause: error });
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  throw new LedgerUnavailable('the ledger of limits was never asked');
}

/** `X-RateLimit-*` of an answer; the reset in epoch seconds. */
export function limitHeaders({ limit, remaining, resetAt }: LimitAnswer): Record<string, string> {
  return {
    'x-ratelimit-limit': String(limit),
    'x-ratelimit-remaining': String(remaining),
    'x-ratelimit-reset': String(resetAt),
  };
}

const WORDS: Readonly<Record<Rule, string>> = {
  uploadBytes: "your tier's bytes for today are used up",
  uploads: "your tier's uploads for today are used up",
  previews: "your tier's previews for this hour are used up",
  downloads: "your tier's downloads for today are used up",
  liveUrls: 'too many of your links are alive at once',
};

/** The refusal that a full ledger leads to. */
export function limitRefusal(answer: LimitAnswer): ApiError {
  const code = answer.rule === 'uploads' || answer.rule === 'uploadBytes' ? 'QUOTA_EXCEEDED' : 'RATE_LIMITED';
  return new ApiError(429, code, `${WORDS[answer.rule]}; try again in ${answer.retryAfter} s`, {
    ...limitHeaders(answer),
    'x-ratelimit-rule': answer.rule,
    'retry-after': String(answer.retryAfter),
  });
}

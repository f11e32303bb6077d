/** https://developers.cloudflare.com/fundamentals/api/reference/limits/: 1,200 calls in five minutes for a user or token. */
const MOST_CALLS = 1200;
const WINDOW_MS = 5 * 60_000;

export interface RateLimitOptions {
  readonly calls: number;
  readonly windowMs: number;
  /** Epoch ms. */
  readonly now: () => number;
}

export interface RateVerdict {
  /** Whole seconds until the token is heard again; `null` while it is. */
  readonly retryAfterSeconds: number | null;
  /** What the API tells of its limit in each answer. */
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Counts the calls of a token. Who makes one too many is refused for the next five minutes, whatever it asks for:
 * "all API calls for the next five minutes will be blocked, receiving a HTTP 429". GraphQL has a limit of its own
 * (320 at most), which is not counted here, nor are calls without a valid token.
 */
export function createRateLimit({
  calls: most = MOST_CALLS,
  windowMs = WINDOW_MS,
  now = Date.now,
}: Partial<RateLimitOptions> = {}) {
  let begun = Number.NEGATIVE_INFINITY;
  let calls = 0;
  let blockedUntil = Number.NEGATIVE_INFINITY;
  return {
    count(): RateVerdict {
      const at = now();
      if (at - begun >= windowMs) [begun, calls] = [at, 0];
      calls++;
      // The window begins anew with the block, so that both end at the same time.
      if (at >= blockedUntil && calls > most) [begun, blockedUntil] = [at, at + windowMs];
      const isBlocked = at < blockedUntil;
      const reset = Math.ceil(((isBlocked ? blockedUntil : begun + windowMs) - at) / 1000);
      const left = isBlocked ? 0 : most - calls;
      return {
        retryAfterSeconds: isBlocked ? reset : null,
        headers: {
          ratelimit: `"default";r=${left};t=${reset}`,
          'ratelimit-policy': `"default";q=${most};w=${windowMs / 1000}`,
          ...(isBlocked ? { 'retry-after': String(reset) } : {}),
        },
      };
    },
  };
}

export type RateLimit = ReturnType<typeof createRateLimit>;

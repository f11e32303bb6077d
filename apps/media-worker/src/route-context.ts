import type { Context } from 'hono';
import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';
import { tierOf } from './library.ts';
import { askLedger, LedgerUnavailable, limitHeaders, limitRefusal, limitsOf } from './limits/user-ledger.ts';
import type { LimitAnswer, TierLimits } from './limits/tier-limits.ts';
import type { UserLimits } from './limits/user-limits.ts';
import type { MediaStore, StoreContext } from './media-store.ts';
import { observe } from './telemetry.ts';

export type App = { Bindings: Env; Variables: { userId: string; source: string } };
export type RouteContext = Context<App>;

/** What sets one build of the Worker apart from the other. */
export interface Build {
  readonly name: 'r2' | 'bypass';
  store(env: Env): MediaStore;
  /** The public URL that the old app needs of an upload; `null` where only the key counts. */
  fileUrl(env: Env, key: string): string | null;
}

/** The request's JSON object. @throws ApiError 400 BODY_INVALID */
export async function readJson(context: RouteContext): Promise<Record<string, unknown>> {
  const body: unknown = await context.req.json().catch(() => null);
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new ApiError(400, 'BODY_INVALID', 'the body must be a JSON object');
  return body as Record<string, unknown>;
}

/** Whether the request comes from staging's own validation. */
export function mayTest({ env, req }: RouteContext): boolean {
  return env.ENVIRONMENT === 'staging' && env.TEST_SECRET !== '' && req.header('x-test-secret') === env.TEST_SECRET;
}

/** Keeps work alive that the answer need not wait for. */
export function laterOf(context: RouteContext): (work: Promise<unknown>) => void {
  return (work) => context.executionCtx.waitUntil(work);
}

/** What the store needs of the request: time after the answer, and somebody to tell of a read-through on `route`. */
export function storeContext(env: Env, later: StoreContext['later'], route: string): StoreContext {
  return {
    later,
    readThrough: () => observe(env, later, { kind: 'read-through', name: route, status: 'ok', source: 'legacy' }),
  };
}

/**
 * Asks the user's ledger and puts what it says on the answer. Reading goes on when the ledger is away, since a track
 * that does not play is worse than one too many; `whenAway` 'refuse' is for what must be counted.
 * @throws ApiError 429 QUOTA_EXCEEDED or RATE_LIMITED, 503 LIMITS_UNAVAILABLE
 */
export async function countAgainst(
  context: RouteContext,
  whenAway: 'allow' | 'refuse',
  ask: (ledger: DurableObjectStub<UserLimits>, limits: TierLimits) => Promise<LimitAnswer>,
): Promise<void> {
  const { env } = context;
  const userId = context.get('userId');
  const limits = limitsOf(env, await tierOf(env, userId));
  try {
    const answer = await askLedger(env, userId, (ledger) => ask(ledger, limits));
    if (!answer.allowed) throw limitRefusal(answer);
    for (const [name, value] of Object.entries(limitHeaders(answer))) context.header(name, value);
  } catch (error) {
    if (!(error instanceof LedgerUnavailable)) throw error;
    console.error('limits', error.message);
    if (whenAway === 'refuse')
      throw new ApiError(503, 'LIMITS_UNAVAILABLE', 'your quota cannot be looked up; try again', {
        'retry-after': '2',
      });
  }
}

import { buffer } from 'node:stream/consumers';
import { openMediaClient, type MediaClient } from '../checks/worker/media-client.ts';
import { toneWav } from '../checks/worker/tone-wav.ts';
import { edgeAddress } from '../phases/environment/deployment.ts';
import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { KnownBytes } from './canary-reads.ts';

const READ_BYTES = 4096;
/** So much of a library object is compared. */
const LIBRARY_BYTES = 64 * 1024;
const LIBRARY_OBJECTS = 2;

/** Two signed-in test users, and what they read. */
export interface CanarySession {
  readonly owner: MediaClient;
  /** Another user, who must not get the owner's file. */
  readonly stranger: MediaClient;
  readonly key: string;
  /** Stretches of the own object that together are all of it. */
  readonly own: readonly KnownBytes[];
  /** Stretches of library objects, as legacy has them. */
  readonly library: readonly KnownBytes[];
}

/** At the edge itself: DNS has its own checks. */
async function signIn(context: RolloutContext): Promise<Pick<CanarySession, 'owner' | 'stranger'>> {
  const { testUsers } = context.config.environments.production;
  const first = testUsers.find((user) => user.tier === 'enterprise') ?? testUsers[0];
  const second = testUsers.find((user) => user.tier !== first?.tier);
  if (first === undefined || second === undefined)
    throw new Error('environments.production.testUsers needs two users of different tiers');
  const reach = { via: edgeAddress(context) };
  const [owner, stranger] = await Promise.all([
    openMediaClient(context, 'production', { tier: first.tier, reach }),
    openMediaClient(context, 'production', { tier: second.tier, reach }),
  ]);
  if (owner.userId === stranger.userId) throw new Error('environments.production.testUsers are one and the same user');
  return { owner, stranger };
}

/** Signs in and stores the canary's own object. Throws when a user, the upload or the library cannot be had. */
export async function openSession(context: RolloutContext): Promise<CanarySession> {
  const users = await signIn(context);
  const bytes = toneWav(0.5, 550);
  const key = await users.owner.upload('sentinel.wav', 'audio/wav', bytes);
  const last = bytes.byteLength - READ_BYTES;
  const own = [0, last].map((start) => ({ key, start, bytes: bytes.subarray(start, start + READ_BYTES) }));
  return { ...users, key, own, library: await knownLibrary(context, users.owner) };
}

/** The same session with fresh tokens. */
export async function renewSession(context: RolloutContext, session: CanarySession): Promise<CanarySession> {
  return { ...session, ...(await signIn(context)) };
}

/**
 * Library objects as they lie in R2, where the copy was verified byte by byte: past the Worker, and not from legacy,
 * since a watch that begins anew must not count as somebody who still reads there.
 */
async function knownLibrary(context: RolloutContext, owner: MediaClient): Promise<KnownBytes[]> {
  const known: KnownBytes[] = [];
  for (const { key, sizeBytes } of await owner.library()) {
    if (known.length === LIBRARY_OBJECTS) break;
    if (sizeBytes === null || sizeBytes === 0) continue;
    try {
      const end = Math.min(sizeBytes, LIBRARY_BYTES) - 1;
      const object = await context.providers.r2.production.get(key, { start: 0, end });
      if (object !== null) known.push({ key, start: 0, bytes: await buffer(object.body) });
    } catch (error) {
      // Without a reference there is nothing to compare with; the canary's own object is compared all the same.
      const text = `the canary cannot compare ${key}: ${errorText(error)}`;
      await context.record({ kind: 'note', data: { text }, subject: 'sentinel' });
      break;
    }
  }
  return known;
}

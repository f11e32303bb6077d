import { errorText } from '../rollout/error-text.ts';
import type { RolloutContext } from '../rollout/context.ts';
import type { Trouble } from '../rollout/plan.ts';
import type { BurnRule, Count } from './burn-rate.ts';
import { askAsStranger, readKnown, type KnownBytes, type Outcome } from './canary-reads.ts';
import { openSession, renewSession, type CanarySession } from './canary-session.ts';
import { createTally, type Tally } from './tally.ts';
import { judgeSilence, type Finding } from './trouble.ts';

/** Canary reads a second: the fixed denominator where real traffic is thin. */
const PROBES_PER_SECOND = 5;
/** Every so many probes one more: a library object's bytes, and a stranger's question. */
const INVARIANTS_EVERY = 10;
/** A read without an answer for so long has failed, ms: a production that hangs is down. */
const UNANSWERED_MS = 4000;
/**
 * A 5xx is trouble at once, but only when the same read fails twice more, so long apart (ms): one blip must not roll
 * a healthy production back. Where one read in a thousand fails, as the budget allows, two in a row would roll back
 * every other day; three do so once in six years. A broken production waits 0.3 s longer for it.
 */
const REPEATS = 2;
const REPEAT_AFTER_MS = 150;
/** Supabase's tokens live an hour unless told otherwise; the watch lasts a day. */
const SIGN_IN_EVERY_MS = 30 * 60_000;
const OPEN_AGAIN_MS = 500;

export interface Canary {
  /** Counts what has waited too long for its answer; to be called at each look. */
  settle(now: number): void;
  reads(windowMs: number, now: number): Count;
  /** Answered reads slower than so many ms: they are the `failed` ones. */
  slowReads(limit: 'warnMs' | 'rollBackMs', windowMs: number, now: number): Count;
  silence(now: number): Trouble | null;
  /** Nothing from before `now` was observed; the tokens may have run out meanwhile. */
  forget(now: number): void;
  stop(): Promise<void>;
}

interface Read {
  readonly startedAt: number;
  counted: boolean;
}

/** Reads objects whose bytes it knows by freshly signed links, at a fixed rate. `tell` hears what needs no window. */
export function startCanary(
  context: RolloutContext,
  rules: readonly BurnRule[],
  tell: (finding: Finding) => void,
): Canary {
  const { responseTime, silenceMs } = context.config.trouble;
  const keepMs = Math.max(...rules.map((rule) => rule.longMs));
  const slotMs = Math.max(10, Math.round(Math.min(...rules.map((rule) => rule.shortMs)) / 50));
  const tally = (): Tally => createTally(keepMs, slotMs);
  const tallies = { reads: tally(), warnMs: tally(), rollBackMs: tally() };
  const stopped = new AbortController();
  const running = new Set<Promise<void>>();
  const waiting = new Set<Read>();
  let session: CanarySession | null = null;
  let signedInAt = 0;
  let opening = false;
  let tryAgainAt = 0;
  let observedSince = Date.now();
  let lastAt: number | null = null;
  let lastError: string | null = null;
  let probes = 0;

  function track(work: Promise<void>): void {
    const one = work.finally(() => running.delete(one));
    running.add(one);
  }

  async function open(): Promise<void> {
    opening = true;
    const generation = observedSince;
    try {
      session = session === null ? await openSession(context) : await renewSession(context, session);
      // Tokens from before a sleep may have run out in it.
      if (generation === observedSince) signedInAt = Date.now();
    } catch (error) {
      // Told when the silence has lasted for too long.
      lastError = errorText(error);
      tryAgainAt = Date.now() + OPEN_AGAIN_MS;
    } finally {
      opening = false;
    }
  }

  function count(read: Read, failed: boolean, now: number): void {
    if (read.counted) return;
    read.counted = true;
    lastAt = now;
    tallies.reads.add(now, read.startedAt, failed);
  }

  async function pause(): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, REPEAT_AFTER_MS);
      stopped.signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
    });
  }

  async function confirm(current: CanarySession, known: KnownBytes, first: Outcome, startedAt: number): Promise<void> {
    if (first.kind !== 'refused' || first.status < 500) return;
    for (let repeat = 1; repeat <= REPEATS; repeat++) {
      await pause();
      const again = await readKnown(current.owner, known);
      if (stopped.signal.aborted || startedAt < observedSince) return;
      if (again.kind === 'wrong bytes') tell({ rule: 'wrongBytes', trouble: again.trouble });
      if (again.kind !== 'no answer' && (again.kind !== 'refused' || again.status < 500)) return;
    }
    tell({
      rule: 'workerDown',
      trouble: {
        measure: `the canary got HTTP ${first.status} ${REPEATS + 1} times in a row`,
        measured: { status: first.status, route: first.route, times: REPEATS + 1 },
        expected: { status: 'below 500' },
        since: new Date(startedAt).toISOString(),
      },
    });
  }

  async function probe(current: CanarySession, known: KnownBytes): Promise<void> {
    const read: Read = { startedAt: Date.now(), counted: false };
    waiting.add(read);
    try {
      let outcome = await readKnown(current.owner, known);
      // A connection that broke says little: players ask again, and so does the canary, once.
      if (outcome.kind === 'no answer' && !read.counted && !stopped.signal.aborted)
        outcome = await readKnown(current.owner, known);
      const now = Date.now();
      if (stopped.signal.aborted || read.startedAt < observedSince) return;
      if (outcome.kind === 'wrong bytes') tell({ rule: 'wrongBytes', trouble: outcome.trouble });
      if (outcome.kind === 'no answer') lastError = outcome.reason;
      if (outcome.kind === 'served') {
        for (const limit of ['warnMs', 'rollBackMs'] as const)
          tallies[limit].add(now, read.startedAt, outcome.ms > responseTime[limit]);
      }
      count(read, outcome.kind !== 'served', now);
      await confirm(current, known, outcome, read.startedAt);
    } finally {
      waiting.delete(read);
    }
  }

  async function lookAtInvariants(current: CanarySession, round: number): Promise<void> {
    const startedAt = Date.now();
    const known = current.library[round % Math.max(1, current.library.length)];
    const [outcome, foreign] = await Promise.all([
      known === undefined ? null : readKnown(current.owner, known),
      askAsStranger(current.stranger, current.key, round % 2 === 0 ? '/api/sign-file' : '/api/stream'),
    ]);
    if (stopped.signal.aborted || startedAt < observedSince) return;
    if (foreign !== null) tell({ rule: 'foreignObject', trouble: foreign });
    if (outcome === null || known === undefined) return;
    if (outcome.kind === 'wrong bytes') tell({ rule: 'wrongBytes', trouble: outcome.trouble });
    await confirm(current, known, outcome, startedAt);
  }

  const timer = setInterval(() => {
    const now = Date.now();
    const stale = now - signedInAt > SIGN_IN_EVERY_MS;
    if ((session === null || stale) && !opening && now >= tryAgainAt) track(open());
    // Tokens that only might have run out are still good to read with; after a sleep they are not.
    if (session === null || signedInAt === 0) return;
    const known = session.own[probes % session.own.length];
    if (known !== undefined) track(probe(session, known));
    if (probes % INVARIANTS_EVERY === 0) track(lookAtInvariants(session, probes / INVARIANTS_EVERY));
    probes++;
  }, 1000 / PROBES_PER_SECOND);

  // What was observed only since a start or a sleep has shorter windows.
  const start = (windowMs: number, now: number): number => Math.max(now - windowMs, observedSince);
  return {
    settle(now) {
      for (const read of waiting) {
        if (now - read.startedAt > UNANSWERED_MS && read.startedAt >= observedSince) count(read, true, now);
      }
    },
    reads: (windowMs, now) => tallies.reads.count(start(windowMs, now)),
    slowReads: (limit, windowMs, now) => tallies[limit].count(start(windowMs, now)),
    silence: (now) => judgeSilence('the canary', { lastAt, observedSince, lastError }, silenceMs, now),
    forget(now) {
      observedSince = now;
      signedInAt = 0;
      tryAgainAt = 0;
      lastError = null;
      for (const one of Object.values(tallies)) one.forget();
    },
    async stop() {
      clearInterval(timer);
      stopped.abort();
      await Promise.all(running);
      if (session !== null) await removeObject(context, session);
    },
  };
}

/** Takes the canary's object away. Where production is too broken for that, a person is told what is left. */
async function removeObject(context: RolloutContext, { owner, key }: CanarySession): Promise<void> {
  let said: string;
  try {
    const { status } = await owner.remove(key);
    if (status === 200) return;
    said = `HTTP ${status}`;
  } catch (error) {
    said = errorText(error);
  }
  const text = `the canary's object ${key} could not be removed: ${said}`;
  await context.record({ kind: 'note', data: { text }, subject: 'sentinel' });
}

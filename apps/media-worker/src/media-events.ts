import type { Env, MediaEvent } from './env.ts';
import { observe } from './telemetry.ts';

/**
 * Tells the mirror what happened to an object. The answer to the user does not wait for it: an event that is lost is
 * found by the mirror's own sweep, and is counted.
 */
export function announce(
  env: Env,
  later: (work: Promise<unknown>) => void,
  event: Pick<MediaEvent, 'type' | 'key' | 'size' | 'etag'>,
): void {
  const whole = { ...event, id: crypto.randomUUID(), at: new Date().toISOString() };
  later(
    env.EVENTS.send(whole).catch((error: unknown) => {
      console.error('event', String(error));
      observe(env, later, { kind: 'event-lost', name: event.type, status: 'failed' });
    }),
  );
}

import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import type { Journal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';

const PING_MS = 15_000;
/** Another process (`crossfade abort` in another terminal) writes to the same journal, and tells nobody here. */
const LOOK_AGAIN_MS = 1000;
/** Events of other processes may be seen late by so many: the journal numbers them before they are written. */
const LATE_BY = 64;
/** A client that is so many events behind is let go; it comes back and asks from where it was. */
const MOST_WAITING = 20_000;

/** The journal as server-sent events: what was written so far, then each event as it comes, each once. */
export function eventStream(context: Context, journal: Journal): Response {
  return streamSSE(context, async (stream) => {
    context.header('x-accel-buffering', 'no');
    const waiting: JournalEvent[] = [];
    let wake: () => void = () => {};
    const unsubscribe = journal.subscribe((event) => {
      waiting.push(event);
      wake();
    });
    const ping = setInterval(() => void stream.write(': ping\n\n'), PING_MS);
    let lookAgain = false;
    const look = setInterval(() => {
      lookAgain = true;
      wake();
    }, LOOK_AGAIN_MS);
    stream.onAbort(() => wake());
    try {
      const asked = Number(context.req.header('last-event-id') ?? context.req.query('after') ?? 0);
      const from = Number.isSafeInteger(asked) && asked > 0 ? asked : 0;
      let newest = from;
      const sent = new Set<number>();
      const isOld = (seq: number): boolean => seq <= from || seq <= newest - LATE_BY;
      // Subscribed first, read second: what comes in between is in both, and is sent once.
      waiting.unshift(...(await journal.read(from)));
      while (!stream.aborted && waiting.length < MOST_WAITING) {
        for (let event = waiting.shift(); event !== undefined; event = waiting.shift()) {
          if (isOld(event.seq) || sent.has(event.seq)) continue;
          sent.add(event.seq);
          newest = Math.max(newest, event.seq);
          await stream.writeSSE({ id: String(newest), data: JSON.stringify(event) });
        }
        if (sent.size > 4 * LATE_BY) for (const seq of sent) if (isOld(seq)) sent.delete(seq);
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (waiting.length > 0 || lookAgain || stream.aborted) resolve();
        });
        if (!lookAgain || stream.aborted) continue;
        lookAgain = false;
        waiting.push(...(await journal.read(Math.max(from, newest - LATE_BY))));
      }
    } finally {
      clearInterval(ping);
      clearInterval(look);
      unsubscribe();
    }
  });
}

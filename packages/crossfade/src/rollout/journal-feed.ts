import { Client } from 'pg';
import { JOURNAL_CHANNEL, type Journal } from './journal.ts';
import type { JournalEvent } from './journal-event.ts';

/** Events may be committed in another order than they were numbered: so many before the last are looked at again. */
const LOOK_BACK = 200;

/**
 * The journal, whose subscribers hear of what any process on any machine writes, as the database tells it.
 * @throws the database's error when it cannot be listened to
 */
export async function followJournal(
  databaseUrl: string,
  journal: Journal,
): Promise<{ journal: Journal; close(): Promise<void> }> {
  const client = new Client({ connectionString: databaseUrl });
  // What was not told while nobody listened is read with the next event, or by the page when it comes back.
  client.on('error', () => {});
  await client.connect();
  const listeners = new Set<(event: JournalEvent) => void>();
  const told = new Set<number>();
  let last = (await journal.read()).at(-1)?.seq ?? 0;
  const start = last;
  let reading: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    for (const event of await journal.read(Math.max(start, last - LOOK_BACK))) {
      if (told.has(event.seq)) continue;
      told.add(event.seq);
      last = Math.max(last, event.seq);
      for (const listener of listeners) listener(event);
    }
    for (const seq of told) if (seq < last - LOOK_BACK) told.delete(seq);
  };
  client.on('notification', ({ payload }) => {
    // A look that fails is made up for by the next.
    if (payload === journal.rollout) reading = reading.then(look).catch(() => {});
  });
  await client.query(`listen ${JOURNAL_CHANNEL}`);
  await look();
  return {
    journal: {
      ...journal,
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    close: async () => {
      await reading;
      await client.end();
    },
  };
}

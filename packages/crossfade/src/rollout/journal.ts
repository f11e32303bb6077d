import { EventEmitter } from 'node:events';
import type { Pool } from 'pg';
import type { JournalEntry, JournalEvent } from './journal-event.ts';
import type { PhaseId } from './plan.ts';
import { toJson } from './json.ts';
import type { Redact } from './redaction.ts';

export interface NewEvent {
  readonly phase: PhaseId | null;
  readonly subject?: string | undefined;
  /** Written once for each rollout and key: what makes a repeated step leave one event. */
  readonly key?: string | undefined;
}

export interface Journal {
  readonly rollout: string;
  /** Redacts, writes, tells the subscribers, and answers with the event (the earlier one when the key was there). */
  append(entry: JournalEntry, about: NewEvent): Promise<JournalEvent>;
  /** Oldest first. */
  read(afterSeq?: number): Promise<JournalEvent[]>;
  /** Called for each event that this process writes; the answer ends the subscription. */
  subscribe(listener: (event: JournalEvent) => void): () => void;
}

/** On which the database tells whoever listens that a rollout's journal has grown; the payload is its id. */
export const JOURNAL_CHANNEL = 'crossfade_journal';

/** Under one lock: two processes that make the same things at once would stumble over each other. */
const SCHEMA = `
select pg_advisory_xact_lock(hashtextextended('crossfade/schema', 0));
create schema if not exists crossfade;
create table if not exists crossfade.journal (
  seq bigint generated always as identity primary key,
  rollout text not null,
  at timestamptz not null default clock_timestamp(),
  phase text,
  kind text not null,
  subject text,
  key text,
  data jsonb not null,
  unique (rollout, key)
);
create or replace function crossfade.refuse_change() returns trigger language plpgsql as
  $$ begin raise exception 'the journal is append-only'; end $$;
create or replace trigger journal_append_only before update or delete on crossfade.journal
  for each row execute function crossfade.refuse_change();
create or replace trigger journal_never_emptied before truncate on crossfade.journal
  for each statement execute function crossfade.refuse_change();
create or replace function crossfade.tell_journal() returns trigger language plpgsql as
  $$ begin perform pg_notify('${JOURNAL_CHANNEL}', new.rollout); return null; end $$;
create or replace trigger journal_tells after insert on crossfade.journal
  for each row execute function crossfade.tell_journal();
`;

interface Row {
  seq: string;
  rollout: string;
  at: Date;
  phase: PhaseId | null;
  kind: JournalEntry['kind'];
  subject: string | null;
  data: never;
}

function toEvent(row: Row): JournalEvent {
  const seq = Number(row.seq);
  const { rollout, phase, kind, subject, data } = row;
  const id = `ev-${String(seq).padStart(6, '0')}`;
  // `kind` and `data` were written together from one JournalEntry by `append` below: this is where they are parsed.
  return { seq, id, at: row.at.toISOString(), rollout, phase, kind, subject, data } as JournalEvent;
}

export async function createJournalTable(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
}

/** Ids of the rollouts in this database, newest first. */
export async function listRollouts(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ rollout: string }>(
    `select rollout from crossfade.journal where kind = 'rollout.started' order by seq desc`,
  );
  return rows.map((row) => row.rollout);
}

/** The append-only record of one rollout. Throws the database's error when it cannot write: nothing goes on unrecorded. */
export function openJournal(pool: Pool, rollout: string, redact: Redact): Journal {
  const emitter = new EventEmitter();
  emitter.setMaxListeners(0);
  const columns = 'seq, rollout, at, phase, kind, subject, data';
  return {
    rollout,
    async append(entry, about) {
      const data = redact(toJson(entry.data));
      const values = [rollout, about.phase, entry.kind, about.subject ?? null, about.key ?? null, JSON.stringify(data)];
      const inserted = await pool.query<Row>(
        `insert into crossfade.journal (rollout, phase, kind, subject, key, data) values ($1,$2,$3,$4,$5,$6)
         on conflict (rollout, key) do nothing returning ${columns}`,
        values,
      );
      const row = inserted.rows[0];
      if (row !== undefined) {
        const event = toEvent(row);
        emitter.emit('event', event);
        return event;
      }
      const existing = await pool.query<Row>(
        `select ${columns} from crossfade.journal where rollout = $1 and key = $2`,
        [rollout, about.key],
      );
      const earlier = existing.rows[0];
      if (earlier === undefined)
        throw new Error(`the journal neither took nor holds the event ${about.key ?? entry.kind}`);
      return toEvent(earlier);
    },
    async read(afterSeq = 0) {
      const { rows } = await pool.query<Row>(
        `select ${columns} from crossfade.journal where rollout = $1 and seq > $2 order by seq`,
        [rollout, afterSeq],
      );
      return rows.map(toEvent);
    },
    subscribe(listener) {
      emitter.on('event', listener);
      return () => emitter.off('event', listener);
    },
  };
}

import { hostname, userInfo } from 'node:os';
import { Client } from 'pg';
import { errorText } from '../rollout/error-text.ts';
import { JOURNAL_CHANNEL } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { createDecisions, type Decisions } from './decisions.ts';

/** Who drives a rollout. */
export interface Operator {
  readonly name: string;
  readonly host: string;
  readonly pid: number;
  readonly command: string;
}

/** The sole right to drive one rollout, and what other people say to it meanwhile. */
export interface OperatorSession {
  readonly operator: Operator;
  /** Fires when this process does not hold the rollout any more; its reason says why. */
  readonly lost: AbortSignal;
  /** Asks the database. @throws LockLost when somebody else drives the rollout, or nobody can tell */
  assertHeld(): Promise<void>;
  readonly decisions: Decisions;
  release(): Promise<void>;
}

/** Somebody else drives this rollout. */
export class LockedError extends Error {
  override readonly name = 'LockedError';
  readonly holder: Operator & { readonly since: string };
  constructor(rollout: string, holder: Operator & { since: string }) {
    super(
      `${rollout} is driven by ${holder.name} (${holder.command}, process ${holder.pid} on ${holder.host}) since ${holder.since}`,
    );
    this.holder = holder;
  }
}

/** This process drove the rollout and does so no more: it must not touch the world again. */
export class LockLost extends Error {
  override readonly name = 'LockLost';
}

/** A process that was killed is let go of by the database within this time, ms; only then is somebody refused. */
const PATIENCE_MS = 2000;
const EVERY_MS = 100;
/** Another machine that vanished without a word is noticed after idle + count × interval, s. */
const KEEPALIVE = 'set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3';

/** Under one lock: two processes that make the same things at once would stumble over each other. */
const SCHEMA = `
select pg_advisory_xact_lock(hashtextextended('crossfade/schema', 0));
create table if not exists crossfade.operators (
  rollout text primary key,
  name text not null,
  host text not null,
  pid integer not null,
  command text not null,
  epoch bigint not null,
  since timestamptz not null
);
`;

/** This process, under the name that the person goes by. */
export function thisOperator(command: string, name = userInfo().username): Operator {
  return { name, host: hostname(), pid: process.pid, command };
}

/**
 * Takes the rollout: one Postgres session holds an advisory lock, which the database frees by itself when the process
 * dies, and listens for decisions. The journal's table must exist.
 * @param decidedAfter `seq` after which decisions count: those of an earlier run are over
 * @throws LockedError with who drives it
 */
export async function openOperatorSession(options: {
  readonly databaseUrl: string;
  readonly rollout: string;
  readonly operator: Operator;
  readonly decidedAfter: () => Promise<number>;
}): Promise<OperatorSession> {
  const { rollout, operator } = options;
  const client = new Client({ connectionString: options.databaseUrl, keepAlive: true });
  const lost = new AbortController();
  const lose = (why: string): void => lost.abort(new LockLost(`${rollout} is no longer driven from here: ${why}`));
  client.on('error', (error) => lose(errorText(error)));
  client.on('end', () => lose('the connection to the database ended'));
  await client.connect();
  try {
    await client.query(SCHEMA);
    await client.query(KEEPALIVE);
    await takeLock(client, rollout);
    const epoch = await enter(client, rollout, operator);
    const { decisions, take } = createDecisions();
    const after = await options.decidedAfter();
    const inTurn = oneAtATime();
    const look = async (): Promise<void> => {
      const { rows } = await client.query<{ seq: string; at: Date; data: Decided['data'] }>(
        `select seq, at, data from crossfade.journal where rollout = $1 and kind = 'operator.decided' and seq > $2 order by seq`,
        [rollout, after],
      );
      for (const row of rows) take(toDecided(rollout, row));
    };
    client.on('notification', ({ payload }) => {
      if (payload === rollout) inTurn(look).catch((error: unknown) => lose(errorText(error)));
    });
    // Listening first, reading second: what comes in between is seen twice, and counts once.
    await client.query(`listen ${JOURNAL_CHANNEL}`);
    await inTurn(look);
    return {
      operator,
      lost: lost.signal,
      decisions,
      async assertHeld() {
        lost.signal.throwIfAborted();
        const held = await inTurn(() =>
          client.query<{ epoch: string }>('select epoch from crossfade.operators where rollout = $1', [rollout]),
        ).catch((error: unknown) => lose(errorText(error)));
        if (held !== undefined && held.rows[0]?.epoch !== epoch) lose('somebody else took it over');
        lost.signal.throwIfAborted();
      },
      async release() {
        client.removeAllListeners('end');
        await client.end();
      },
    };
  } catch (error) {
    client.removeAllListeners('end');
    await client.end();
    throw error;
  }
}

/** One connection takes one query at a time. */
function oneAtATime(): <Answer>(work: () => Promise<Answer>) => Promise<Answer> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const next = last.then(work, work);
    last = next.catch(() => {});
    return next;
  };
}

type Decided = Extract<JournalEvent, { kind: 'operator.decided' }>;

function toDecided(rollout: string, row: { seq: string; at: Date; data: Decided['data'] }): Decided {
  const seq = Number(row.seq);
  return {
    kind: 'operator.decided',
    data: row.data,
    seq,
    id: `ev-${String(seq).padStart(6, '0')}`,
    at: row.at.toISOString(),
    rollout,
    phase: null,
    subject: null,
  };
}

async function takeLock(client: Client, rollout: string): Promise<void> {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const { rows } = await client.query<{ taken: boolean }>(
      `select pg_try_advisory_lock(hashtextextended('crossfade/' || $1, 0)) as taken`,
      [rollout],
    );
    if (rows[0]?.taken === true) return;
    if (performance.now() > until) throw new LockedError(rollout, await holderOf(client, rollout));
    // Postgres tells nobody when an advisory lock is freed; waiting inside of it could not be ended in time.
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function enter(client: Client, rollout: string, { name, host, pid, command }: Operator): Promise<string> {
  const { rows } = await client.query<{ epoch: string }>(
    `insert into crossfade.operators (rollout, name, host, pid, command, epoch, since) values ($1,$2,$3,$4,$5,1,now())
     on conflict (rollout) do update set name = excluded.name, host = excluded.host, pid = excluded.pid,
       command = excluded.command, epoch = crossfade.operators.epoch + 1, since = excluded.since
     returning epoch`,
    [rollout, name, host, pid, command],
  );
  const [row] = rows;
  if (row === undefined) throw new Error('the database did not say which operator this is');
  return row.epoch;
}

async function holderOf(client: Client, rollout: string): Promise<Operator & { since: string }> {
  const { rows } = await client.query<Operator & { since: Date }>(
    'select name, host, pid, command, since from crossfade.operators where rollout = $1',
    [rollout],
  );
  const [row] = rows;
  if (row === undefined) return { name: 'somebody', host: 'unknown', pid: 0, command: 'unknown', since: 'now' };
  return { ...row, since: row.since.toISOString() };
}

import { DurableObject } from 'cloudflare:workers';
import { WINDOW_SECONDS, type LimitAnswer, type Rule, type TierLimits } from './tier-limits.ts';

type WindowRule = keyof typeof WINDOW_SECONDS;

/** Tests of staging may set what was used, and the clock (seconds ahead). */
export interface Arrangement {
  readonly usage?: Partial<Record<WindowRule, number>>;
  readonly skewSeconds?: number;
  /** Forgets which links for reading are alive. */
  readonly forgetLinks?: boolean;
  /** Forgets everything first. */
  readonly clear?: boolean;
}

const SCHEMA = `
create table if not exists usage (rule text, window integer, used integer not null, primary key (rule, window));
create table if not exists holds (key text, kind text, url_until integer not null, hold_until integer not null,
  bytes integer not null, primary key (key, kind));
create table if not exists settings (name text primary key, value integer not null);`;

/**
 * One user's ledger. Every method is one turn of the object without an await in between, so that what it counts is
 * exact however many ask at once.
 */
export class UserLimits extends DurableObject {
  readonly #sql: SqlStorage;

  constructor(context: DurableObjectState, env: unknown) {
    super(context, env as never);
    this.#sql = context.storage.sql;
    this.#sql.exec(SCHEMA);
  }

  /** Counts a signed URL for reading. Asking again for a file whose URL is alive renews it and costs nothing. */
  take(rule: 'previews' | 'downloads', key: string, urlSeconds: number, limits: TierLimits): LimitAnswer {
    const now = this.#now();
    const [alive] = this.#rows<{ n: number }>(
      'select count(*) n from holds where key = ? and kind = ? and url_until > ?',
      key,
      rule,
      now,
    );
    const renewed = (alive?.n ?? 0) > 0;
    if (!renewed) {
      const refused = this.#firstRefusal([this.#state(rule, limits, now, 1), this.#state('liveUrls', limits, now, 1)]);
      if (refused !== null) return refused;
      this.#use(rule, now, 1);
    }
    this.#hold(key, rule, now + urlSeconds, now + urlSeconds, 0);
    return this.#state(rule, limits, now, 0);
  }

  /** Sets an upload's count and bytes aside until it is settled or released, or `holdSeconds` are over. */
  reserve(key: string, bytes: number, urlSeconds: number, holdSeconds: number, limits: TierLimits): LimitAnswer {
    const now = this.#now();
    const refused = this.#firstRefusal([
      this.#state('uploads', limits, now, 1),
      this.#state('uploadBytes', limits, now, bytes),
      this.#state('liveUrls', limits, now, 1),
    ]);
    if (refused !== null) return refused;
    this.#hold(key, 'upload', now + urlSeconds, now + holdSeconds, bytes);
    return this.#state('uploads', limits, now, 0);
  }

  /** Bytes still set aside for this key; `null` for an upload that arrived or was given up: its link serves once. */
  reserved(key: string): number | null {
    const [row] = this.#rows<{ bytes: number }>(
      `select bytes from holds where key = ? and kind = 'upload' and hold_until > ?`,
      key,
      this.#now(),
    );
    return row?.bytes ?? null;
  }

  /** The upload arrived: what was set aside is used. */
  settle(key: string, bytes: number): void {
    const now = this.#now();
    this.#sql.exec(`delete from holds where key = ? and kind = 'upload'`, key);
    this.#use('uploads', now, 1);
    this.#use('uploadBytes', now, bytes);
  }

  /** The upload will not come, or the file is gone: what was set aside, and its live URLs, are free again. */
  release(key: string): void {
    this.#sql.exec(`delete from holds where key = ? or instr(key, ?) = 1`, key, `${key}//`);
  }

  /** How the user stands, without counting anything. */
  peek(rule: Rule, limits: TierLimits): LimitAnswer {
    return this.#state(rule, limits, this.#now(), 0);
  }

  arrange({ usage = {}, skewSeconds, forgetLinks = false, clear = false }: Arrangement): void {
    if (forgetLinks) this.#sql.exec(`delete from holds where kind <> 'upload'`);
    if (clear) for (const table of ['usage', 'holds', 'settings']) this.#sql.exec(`delete from ${table}`);
    if (skewSeconds !== undefined)
      this.#sql.exec(`insert or replace into settings (name, value) values ('skew', ?)`, skewSeconds);
    const now = this.#now();
    for (const [rule, used] of Object.entries(usage) as [WindowRule, number][])
      this.#sql.exec(
        'insert or replace into usage (rule, window, used) values (?, ?, ?)',
        rule,
        windowOf(rule, now),
        used,
      );
  }

  #rows<Row extends Record<string, SqlStorageValue>>(query: string, ...values: SqlStorageValue[]): Row[] {
    return this.#sql.exec<Row>(query, ...values).toArray();
  }

  /** Epoch seconds. */
  #now(): number {
    const [skew] = this.#rows<{ value: number }>(`select value from settings where name = 'skew'`);
    return Math.floor(Date.now() / 1000) + (skew?.value ?? 0);
  }

  #hold(key: string, kind: string, urlUntil: number, holdUntil: number, bytes: number): void {
    this.#sql.exec(
      'insert or replace into holds (key, kind, url_until, hold_until, bytes) values (?, ?, ?, ?, ?)',
      key,
      kind,
      urlUntil,
      holdUntil,
      bytes,
    );
  }

  #use(rule: WindowRule, now: number, amount: number): void {
    const window = windowOf(rule, now);
    this.#sql.exec(
      `insert into usage (rule, window, used) values (?, ?, ?)
       on conflict (rule, window) do update set used = used + excluded.used`,
      rule,
      window,
      amount,
    );
    // What ended is forgotten, so that a ledger stays small however old its user is.
    this.#sql.exec('delete from usage where rule = ? and window < ?', rule, window);
    this.#sql.exec('delete from holds where url_until <= ? and hold_until <= ?', now, now);
  }

  /** How a rule stands when `more` are asked for. */
  #state(rule: Rule, limits: TierLimits, now: number, more: number): LimitAnswer {
    const { used, resetAt } = rule === 'liveUrls' ? this.#liveUrls(now) : this.#window(rule, now);
    const limit = limitOf(rule, limits);
    const allowed = used + more <= limit;
    return {
      allowed,
      rule,
      limit,
      remaining: Math.max(0, limit - used),
      resetAt,
      retryAfter: allowed ? 0 : Math.max(1, resetAt - now),
    };
  }

  #liveUrls(now: number): { used: number; resetAt: number } {
    const [row] = this.#rows<{ n: number; first: number | null }>(
      'select count(*) n, min(url_until) first from holds where url_until > ?',
      now,
    );
    return { used: row?.n ?? 0, resetAt: row?.first ?? now };
  }

  #window(rule: WindowRule, now: number): { used: number; resetAt: number } {
    const window = windowOf(rule, now);
    const [counted] = this.#rows<{ used: number }>(
      'select used from usage where rule = ? and window = ?',
      rule,
      window,
    );
    const [held] = this.#rows<{ n: number; bytes: number | null }>(
      `select count(*) n, sum(bytes) bytes from holds where kind = 'upload' and hold_until > ?`,
      now,
    );
    const aside = rule === 'uploads' ? (held?.n ?? 0) : rule === 'uploadBytes' ? (held?.bytes ?? 0) : 0;
    return { used: (counted?.used ?? 0) + aside, resetAt: (window + 1) * WINDOW_SECONDS[rule] };
  }

  #firstRefusal(states: readonly LimitAnswer[]): LimitAnswer | null {
    return states.find((state) => !state.allowed) ?? null;
  }
}

function windowOf(rule: WindowRule, now: number): number {
  return Math.floor(now / WINDOW_SECONDS[rule]);
}

function limitOf(rule: Rule, limits: TierLimits): number {
  switch (rule) {
    case 'uploadBytes':
      return limits.uploadBytesPerDay;
    case 'uploads':
      return limits.uploadsPerDay;
    case 'previews':
      return limits.previewsPerHour;
    case 'downloads':
      return limits.downloadsPerDay;
    case 'liveUrls':
      return limits.liveUrls;
  }
}

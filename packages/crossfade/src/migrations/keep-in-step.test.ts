import * as fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { PoolClient } from 'pg';
import { MEDIA_HOST } from '../engine/fixtures/small-config.ts';
import { bringTo } from '../phases/environment/media-rows.ts';
import { startAppDatabase, type AppDatabase } from './fixtures/app-database.ts';

const MARKER = '/object/public/media/';
const base = `http://${MEDIA_HOST}:80/storage/v1${MARKER}`;
const ADA = '00000000-0000-4000-8000-00000000000a';
const BOB = '00000000-0000-4000-8000-00000000000b';

let app: AppDatabase;
let ada: PoolClient;
let bob: PoolClient;

/** A user's connection as PostgREST makes it: the role, and whose token it is. */
async function signedIn(user: string): Promise<PoolClient> {
  const client = await app.pool.connect();
  await client.query(`select set_config('role', 'authenticated', false), set_config('request.jwt.claims', $1, false)`, [
    JSON.stringify({ sub: user }),
  ]);
  return client;
}

beforeAll(async () => {
  app = await startAppDatabase();
  await bringTo(app.context, 'production', 'keep_in_step');
  // Forced: the policies hold for the table's owner too.
  await app.pool.query('alter table uploads force row level security');
  // The user whom the tests connect as passes by every policy.
  [ada, bob] = [await signedIn(ADA), await signedIn(BOB)];
});
afterAll(async () => {
  // They end with the pool, and with them their roles.
  ada.release(true);
  bob.release(true);
  await app.close();
});
beforeEach(() => app.pool.query('truncate uploads'));

interface Row extends Record<string, unknown> {
  file_url: string | null;
  file_key: string | null;
}
const rowsOf = async (client: PoolClient): Promise<Row[]> =>
  (await client.query<Row>('select file_url, file_key from uploads order by created_at, id')).rows;

/** What a URL's reader takes its key to be: the Worker and the old front end decode it so. */
function keyOf(url: string | null): string | null {
  const path = url?.replace(/[?#].*$/s, '') ?? '';
  const at = path.indexOf(MARKER);
  const raw = at < 0 ? '' : path.slice(at + MARKER.length);
  if (raw === '') return null;
  const bytes = Buffer.from(
    raw.replaceAll(/%[0-9a-fA-F]{2}|[^%]+|%/g, (piece) =>
      /^%[0-9a-fA-F]{2}$/.test(piece) ? piece.slice(1) : Buffer.from(piece).toString('hex'),
    ),
    'hex',
  );
  const text = bytes.toString();
  return text.includes('\0') || !Buffer.from(text).equals(bytes) ? raw : text;
}

/** Both name the same object, or the row's URL is somebody else's and there is no key. */
function expectInStep(rows: readonly Row[]): void {
  for (const row of rows) expect(row.file_key, JSON.stringify(row)).toBe(keyOf(row.file_url));
}

const odd = fc.constantFrom(
  '%',
  '%2F',
  '?',
  '#',
  '+',
  ' ',
  'ä',
  '漢',
  '😀',
  "'",
  '"',
  '\\',
  '/',
  '//',
  '%zz',
  '\n',
  '[x]',
  '&',
  '%C3',
);
const key = fc
  .array(fc.oneof(odd, fc.stringMatching(/^[a-zA-Z0-9_.-]{1,6}$/)), { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(''));
const url = fc.oneof(
  key.map((one) => base + encodeURI(one)),
  // As a careless client writes it, or one with a cache-buster, or through another host.
  key.map((one) => base + one),
  key.map((one) => `https://project.supabase.co/storage/v1${MARKER}${encodeURIComponent(one)}?t=1`),
  fc.constantFrom('https://elsewhere.test/a.wav', base, ''),
);
const nullable = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { freq: 6 });
const change = fc.oneof(
  fc.record({ columns: fc.constant(['file_url'] as const), values: fc.tuple(nullable(url)) }),
  fc.record({ columns: fc.constant(['file_key'] as const), values: fc.tuple(nullable(key)) }),
  fc.record({
    columns: fc.constant(['file_key', 'file_url'] as const),
    values: fc.tuple(nullable(key), nullable(url)),
  }),
  fc.record({ columns: fc.constant(['title'] as const), values: fc.tuple(nullable(fc.constant('another title'))) }),
);
const act = fc.record({ kind: fc.constantFrom('insert', 'update', 'update', 'delete'), change, row: fc.nat(20) });

describe('the two addresses of a row', () => {
  it('are in step after whatever either world wrote, whoever writes as whom', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 1, maxLength: 10 }), async (acts) => {
        await ada.query('delete from uploads');
        let ids: readonly string[] = [];
        for (const [
          index,
          {
            kind,
            change: { columns, values },
            row,
          },
        ] of acts.entries()) {
          const id = ids[row % Math.max(1, ids.length)];
          const statement =
            kind === 'insert' || id === undefined
              ? `insert into uploads (user_id, created_at, ${columns.join(', ')}) values ('${ADA}', to_timestamp(${index}), ${columns.map((_, at) => `$${at + 1}`).join(', ')})`
              : kind === 'update'
                ? `update uploads set ${columns.map((name, at) => `${name} = $${at + 1}`).join(', ')} where id = '${id}'`
                : null;
          // Two rows of one key are refused by the index, whichever column named it.
          const sent =
            statement === null
              ? ada.query('delete from uploads where id = $1', [id])
              : ada.query(statement, [...values]);
          await sent.catch((error: unknown) => expect(error).toMatchObject({ code: '23505' }));
          const now = await ada.query<Row & { id: string }>('select id, file_url, file_key from uploads');
          expectInStep(now.rows);
          ids = now.rows.map((one) => one.id);
        }
      }),
      { numRuns: 80 },
    );
  }, 60_000);

  it('name the same key there and back, whatever the key', async () => {
    await fc.assert(
      fc.asyncProperty(key, async (one) => {
        await ada.query('delete from uploads');
        await ada.query('insert into uploads (user_id, file_key) values ($1, $2)', [ADA, one]);
        const [row] = await rowsOf(ada);
        expect(row?.file_key).toBe(one);
        expect(row?.file_url?.startsWith(base)).toBe(true);
        // A browser asks for the same object, where a URL has a way to say it: these two segments it has not.
        if (one.split('/').some((segment) => segment === '.' || segment === '..')) return;
        expect(decodeURIComponent(new URL(row?.file_url ?? '').pathname.slice(new URL(base).pathname.length))).toBe(
          one,
        );
      }),
      { numRuns: 50, examples: [['a b+c?d#e%2Ff/ä😀.wav']] },
    );
  });

  it.each([
    ['the old world writes a URL', ['x/1.wav', null], ['x/1.wav', 'x/1.wav']],
    ['the new world writes a key', [null, 'x/1.wav'], ['x/1.wav', 'x/1.wav']],
    ['both are written and contradict each other: the key counts', ['x/1.wav', 'x/2.wav'], ['x/2.wav', 'x/2.wav']],
  ])('when %s', async (_when, [urlKey, fileKey], [wantedUrl, wantedKey]) => {
    const written = urlKey === null ? null : base + urlKey;
    await ada.query('insert into uploads (user_id, file_url, file_key) values ($1, $2, $3)', [ADA, written, fileKey]);
    expect(await rowsOf(ada)).toEqual([{ file_url: `${base}${wantedUrl}`, file_key: wantedKey }]);
  });

  it('leave an address of somebody else alone, and an equal one on another host', async () => {
    const other = `https://project.supabase.co/storage/v1${MARKER}x/1.wav`;
    await ada.query('insert into uploads (user_id, file_url) values ($1, $2)', [ADA, 'https://elsewhere.test/a.wav']);
    await ada.query('insert into uploads (user_id, file_url, file_key) values ($1, $2, $3)', [ADA, other, 'x/1.wav']);
    await ada.query(`update uploads set file_key = null where file_url like '%elsewhere%'`);
    expect(await rowsOf(ada)).toEqual(
      [
        { file_url: other, file_key: 'x/1.wav' },
        { file_url: 'https://elsewhere.test/a.wav', file_key: null },
      ].toReversed(),
    );
  });
});

describe('row-level security', () => {
  it("holds with the triggers at work: nobody writes, sees or counts another user's rows", async () => {
    await ada.query('insert into uploads (user_id, file_url) values ($1, $2)', [ADA, `${base}ada.wav`]);
    await expect(
      bob.query('insert into uploads (user_id, file_url) values ($1, $2)', [ADA, `${base}forged.wav`]),
    ).rejects.toMatchObject({ code: '42501' });
    expect((await bob.query(`update uploads set file_key = 'taken'`)).rowCount).toBe(0);
    expect(await rowsOf(bob)).toEqual([]);
    expect(await rowsOf(ada)).toEqual([{ file_url: `${base}ada.wav`, file_key: 'ada.wav' }]);
  });

  it('holds for the functions: who may write media may not call what runs as its owner, nor look into its books', async () => {
    const { rows } = await app.pool.query<{ name: string; path: string[] | null }>(
      `select proname as name, proconfig as path from pg_proc where pronamespace = 'crossfade_media'::regnamespace and prosecdef`,
    );
    expect(rows).toEqual([{ name: 'note_old_write', path: ['search_path=pg_catalog'] }]);
    for (const statement of [
      'select crossfade_media.note_old_write()',
      'select * from crossfade_media.old_write_at',
      `select nextval('crossfade_media.old_writes')`,
      'create function crossfade_media.mine() returns int language sql as $$ select 1 $$',
    ])
      await expect(bob.query(statement), statement).rejects.toThrow(/permission denied|trigger functions/);
  });

  it("is not led astray by a writer's own search_path", async () => {
    await app.pool.query(
      `create schema if not exists evil; grant usage on schema evil to authenticated;
       create or replace function evil.nullif_key(text) returns text language sql as $$ select 'evil' $$;
       create or replace function evil.regexp_replace(text, text, text) returns text language sql as $$ select 'evil' $$`,
    );
    await bob.query('set search_path = evil, pg_catalog, public');
    await bob.query('insert into public.uploads (user_id, file_url) values ($1, $2)', [BOB, `${base}bob.wav`]);
    await bob.query('reset search_path');
    expect(await rowsOf(bob)).toEqual([{ file_url: `${base}bob.wav`, file_key: 'bob.wav' }]);
  });
});

describe('the evidence of the old world', () => {
  const noted = async (): Promise<number> =>
    Number(
      (
        await app.pool.query<{ n: string }>(
          'select case when is_called then last_value else 0 end as n from crossfade_media.old_writes',
        )
      ).rows[0]?.n,
    );

  it('counts who writes file_url alone, and nobody else', async () => {
    const before = await noted();
    await ada.query('insert into uploads (user_id, file_key) values ($1, $2)', [ADA, 'new.wav']);
    await ada.query('insert into uploads (user_id, file_key, file_url) values ($1, $2, $3)', [
      ADA,
      'two.wav',
      `${base}two.wav`,
    ]);
    await ada.query(`update uploads set title = 'x', file_url = file_url`);
    await ada.query(`update uploads set file_key = 'three.wav' where file_key = 'two.wav'`);
    expect(await noted()).toBe(before);
    await ada.query('insert into uploads (user_id, file_url) values ($1, $2)', [ADA, `${base}old.wav`]);
    expect(await noted()).toBe(before + 1);
    await ada.query(`update uploads set file_url = $1 where file_key = 'old.wav'`, [`${base}older.wav`]);
    expect(await noted()).toBe(before + 2);
  });
});

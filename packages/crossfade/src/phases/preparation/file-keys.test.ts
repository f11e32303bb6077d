import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startAppDatabase, type AppDatabase } from '../../migrations/fixtures/app-database.ts';
import { createDryRun } from '../../providers/dry-run.ts';
import { toJson } from '../../rollout/json.ts';
import { endFileUrlsStep, oldColumnQuietCheck } from '../cleanup/contract-step.ts';
import { bringTo } from '../environment/media-rows.ts';
import { SharedMedium } from '../environment/shared-media.ts';
import { databaseBack } from '../rollback/app-back.ts';
import { fileKeysStep, keepAddressesInStep } from './file-keys.ts';

let app: AppDatabase;
let base: string;
beforeAll(async () => {
  app = await startAppDatabase();
  base = `${app.context.config.environments.production.worker.mediaOrigin}/storage/v1/object/public/media/`;
});
afterAll(() => app.close());
beforeEach(async () => {
  await app.reset();
  app.journal.events.length = 0;
});

/** Tracks as the old app wrote them, and some rows whose addresses are nobody's. */
const seed = (rows: number): Promise<unknown> =>
  app.pool.query(
    `insert into library_tracks (title, file_url) select 't', $1 || n || '.wav' from generate_series(1, $2::int) n
     union all select 'elsewhere', 'https://elsewhere.test/' || n from generate_series(1, 3) n
     union all select 'empty', $1`,
    [base, rows],
  );
const addresses = async (): Promise<unknown[]> =>
  (await app.pool.query('select title, file_url, file_key from library_tracks order by file_url')).rows;
const withKeys = async (): Promise<number> =>
  Number((await app.pool.query<{ n: string }>('select count(file_key) as n from library_tracks')).rows[0]?.n);

describe('the step that keeps both addresses', () => {
  const step = fileKeysStep();

  it('fills every row, and its compensation leaves the rows as they were', async () => {
    await seed(1200);
    const rows = await addresses();
    const before = await step.look(app.context);
    expect(before).toEqual({ keys: 1200, urls: 0, stage: null });
    expect(await step.run(app.context, before)).toEqual({ up: ['0004_keep_in_step'], filled: 1200 });
    expect((await step.verify(app.context, before)).status).toBe('pass');
    expect(await step.run(app.context, before)).toEqual({ up: [], filled: 0 });
    for (const cleared of [1200, 0]) expect(await step.compensate(app.context, before)).toMatchObject({ cleared });
    expect(await addresses()).toEqual(rows);
    expect((await step.verify(app.context, before).catch((error: unknown) => error)) instanceof Error).toBe(true);
  });

  it('adds the column where there is none, and takes it away again', async () => {
    await seed(5);
    await app.pool.query('alter table library_tracks drop column file_key; alter table uploads drop column file_key');
    const before = await step.look(app.context);
    await step.run(app.context, before);
    expect(await withKeys()).toBe(5);
    await step.compensate(app.context, before);
    await expect(withKeys()).rejects.toThrow('does not exist');
  });

  it('fails for rows whose two addresses contradict each other, and keeps them as they are', async () => {
    await app.pool.query(`insert into library_tracks (title, file_url, file_key) values ('t', $1, 'other.wav')`, [
      `${base}1.wav`,
    ]);
    const before = await step.look(app.context);
    await step.run(app.context, before);
    const verdict = await step.verify(app.context, before);
    expect(verdict).toMatchObject({ status: 'fail', measured: { contradicting: 1 } });
    expect(await addresses()).toEqual([{ title: 't', file_url: `${base}1.wav`, file_key: 'other.wav' }]);
  });

  it('fails while somebody has switched a trigger off', async () => {
    const before = await step.look(app.context);
    await step.run(app.context, before);
    await app.pool.query('alter table uploads disable trigger crossfade_media_address');
    expect((await step.verify(app.context, before)).status).toBe('fail');
  });

  it('names its SQL in a dry run and changes nothing', async () => {
    await seed(5);
    const dry = createDryRun(app.context.providers, app.context.config);
    const context = { ...app.context, providers: dry.providers };
    await step.run(context, await step.look(context));
    const sql = dry.calls.map((call) => call.path);
    expect(sql.some((text) => text.includes('create or replace function crossfade_media.keep_in_step'))).toBe(true);
    expect(sql.some((text) => text.includes('for update skip locked'))).toBe(true);
    expect(await withKeys()).toBe(0);
    expect((await app.pool.query(`select 1 from pg_namespace where nspname = 'crossfade_media'`)).rowCount).toBe(0);
  });
});

describe('filling up rows', () => {
  it('never holds up a writer for long, and takes no more rows at once than lie in sixteen pages', async () => {
    await seed(12_000);
    const done = { filling: true };
    const filled = keepAddressesInStep(app.context).finally(() => (done.filling = false));
    let longest = 0;
    let writes = 0;
    while (done.filling) {
      const start = performance.now();
      await app.pool.query(`update library_tracks set title = 'written' where file_url = $1`, [
        `${base}${1 + (writes % 12_000)}.wav`,
      ]);
      longest = Math.max(longest, performance.now() - start);
      writes++;
    }
    expect((await filled).filled).toBeGreaterThan(10_000);
    expect(await withKeys()).toBe(12_000);
    expect(writes).toBeGreaterThan(5);
    expect(longest).toBeLessThan(1500);
    const { rows } = await app.pool.query<{ most: string }>(
      `select max(n) as most from (select count(*) as n from library_tracks where title <> 'written' group by xmin::text) each`,
    );
    expect(Number(rows[0]?.most)).toBeLessThan(16 * 300);
  }, 60_000);

  it('goes past a row that somebody holds, and comes back for it', async () => {
    await seed(50);
    const holder = await app.pool.connect();
    await keepAddressesInStep(app.context);
    await app.pool.query('alter table library_tracks disable trigger crossfade_media_address');
    await app.pool.query('update library_tracks set file_key = null');
    await app.pool.query('alter table library_tracks enable trigger crossfade_media_address');
    await holder.query(`begin; select from library_tracks where file_url like '%/7.wav' for update`);
    const filled = keepAddressesInStep(app.context);
    await expect.poll(withKeys).toBe(49);
    await holder.query('commit');
    holder.release();
    expect((await filled).filled).toBe(50);
  });

  it('tells what the database refuses at once, instead of asking again', async () => {
    await app.pool.query(`alter table library_tracks add constraint short check (file_key <> 'refused.wav')`);
    await app.pool.query(`insert into library_tracks (title, file_url) values ('t', $1)`, [`${base}refused.wav`]);
    const start = performance.now();
    await expect(keepAddressesInStep(app.context)).rejects.toThrow('23514');
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe('rows that share a medium', () => {
  const step = fileKeysStep();
  /** An upload as the old app writes it; with its id. */
  const upload = async (url: string, key: string | null = null): Promise<string> =>
    (
      await app.pool.query<{ id: string }>(
        `insert into uploads (user_id, file_url, file_key) values (gen_random_uuid(), $1, $2) returning id`,
        [url, key],
      )
    ).rows[0]?.id ?? '';
  const refusal = async (): Promise<Error> => {
    const refused = await step.run(app.context, await step.look(app.context)).catch((error: unknown) => error);
    if (!(refused instanceof SharedMedium)) throw new Error('the step was not refused', { cause: refused });
    return refused;
  };

  it('are named with what to do before anything was changed, and the step passes when they are apart', async () => {
    await seed(20);
    const [first, second] = [await upload(`${base}twice.wav`), await upload(`${base}twice.wav`)];
    await upload(`${base}once.wav`);
    const { message } = await refusal();
    expect(message).toContain(`${base}twice.wav is the medium of the rows ${first}, ${second}`);
    expect(message).toContain('public.uploads has several rows of one medium, and uploads_file_key takes one');
    expect(message).toContain('then: crossfade prepare');
    expect(message).not.toContain('once.wav');
    expect(await withKeys()).toBe(0);
    expect((await app.pool.query(`select 1 from pg_trigger where tgname like 'crossfade%'`)).rowCount).toBe(0);
    expect((await app.pool.query('select file_url from uploads where file_key is null')).rowCount).toBe(3);
    await app.pool.query('update uploads set file_url = $1 where id = $2', [`${base}copy.wav`, second]);
    const before = await step.look(app.context);
    expect(await step.run(app.context, before)).toMatchObject({ filled: 23 });
    expect((await step.verify(app.context, before)).status).toBe('pass');
  });

  it('are named by a dry run as well', async () => {
    for (const _ of [1, 2]) await upload(`${base}twice.wav`);
    const dry = createDryRun(app.context.providers, app.context.config);
    const context = { ...app.context, providers: dry.providers };
    await expect(step.run(context, await step.look(context))).rejects.toThrow(SharedMedium);
    expect(dry.calls).toEqual([]);
  });

  it.each([
    ['on another host', 'a/1.wav', 'https://project.supabase.co/storage/v1/object/public/media/a/1.wav'],
    ['with a query behind it', 'a/1.wav', 'a/1.wav?t=1'],
    ['encoded otherwise', 'a%20%C3%a4/1.wav', 'a ä/%31.wav'],
  ])('are found by the object, with a URL %s', async (_how, one, other) => {
    const rows = [await upload(base + one), await upload(other.startsWith('https:') ? other : base + other)];
    const { message } = await refusal();
    for (const row of rows) expect(message).toContain(row);
  });

  it('are found where the new world has written one of them already, by its key alone', async () => {
    const rows = [await upload(`${base}a%20b.wav`), await upload('https://elsewhere.test/x', 'a b.wav')];
    const { message } = await refusal();
    for (const row of rows) expect(message).toContain(row);
  });

  it('are no matter where no index takes a key once, and where they are somebody else’s', async () => {
    for (const title of ['one', 'two'])
      await app.pool.query('insert into library_tracks (title, file_url) values ($1, $2)', [title, `${base}1.wav`]);
    for (const url of ['https://elsewhere.test/a.wav', base, '']) await Promise.all([upload(url), upload(url)]);
    expect(await step.run(app.context, await step.look(app.context))).toMatchObject({ filled: 2 });
  });

  it('are ten by name at the most, and what is more is told', async () => {
    for (let nth = 0; nth < 24; nth++) await upload(`${base}${10 + Math.floor(nth / 2)}.wav`);
    const { message } = await refusal();
    expect(message.match(/is the medium of/g)).toHaveLength(10);
    expect(message).toContain('; and there are more.');
  });

  it('that came while nothing kept the two in step do not keep a rollback from writing every URL', async () => {
    await keepAddressesInStep(app.context);
    await bringTo(app.context, 'production', 'contract');
    const rows = [await upload(`${base}twice.wav`), await upload(`${base}twice.wav`)];
    await app.pool.query(`insert into uploads (user_id, file_key) values (gen_random_uuid(), 'new.wav')`);
    const { withoutKey } = (await databaseBack().run(app.context)) as { withoutKey: string };
    for (const row of rows) expect(withoutKey).toContain(row);
    await expect(keepAddressesInStep(app.context)).rejects.toThrow(SharedMedium);
    expect((await app.pool.query('select from uploads where file_url = $1', [`${base}new.wav`])).rowCount).toBe(1);
    expect((await databaseBack().verify(app.context)).status).toBe('pass');
  });

  it('are refused from then on, whichever world writes the second one', async () => {
    await keepAddressesInStep(app.context);
    await upload(`${base}1.wav`);
    await expect(upload(`${base}1.wav`)).rejects.toThrow('uploads_file_key');
    await expect(upload('https://elsewhere.test/x', '1.wav')).rejects.toThrow('uploads_file_key');
  });
});

describe('giving up the old column', () => {
  const step = endFileUrlsStep();
  const watched = (agoMs: number, forMs: number): void => {
    const verdict = { status: 'pass' as const, summary: '', measured: null, expected: null, evidence: [] };
    app.journal.record(
      { kind: 'check.verdict', data: { title: 'watch', proves: [], ms: forMs, verdict }, subject: 'watch.observation' },
      'watch',
    );
    const last = app.journal.events.at(-1);
    if (last !== undefined)
      app.journal.events.splice(-1, 1, { ...last, at: new Date(Date.now() - agoMs).toISOString() });
  };
  const oldWrite = (name: string): Promise<unknown> =>
    app.pool.query(`insert into uploads (user_id, file_url) values (gen_random_uuid(), $1)`, [`${base}${name}.wav`]);

  it('is refused while somebody still writes it, or when the watch was not kept', async () => {
    await keepAddressesInStep(app.context);
    expect((await oldColumnQuietCheck().run(app.context)).summary).toBe('the watch was not kept');
    watched(0, 60_000);
    expect((await oldColumnQuietCheck().run(app.context)).status).toBe('pass');
    const before = toJson(await step.look(app.context));
    expect(before).toEqual({ stage: 'keep_in_step' });
    await oldWrite('late');
    const verdict = await oldColumnQuietCheck().run(app.context);
    expect(verdict).toMatchObject({ status: 'fail', measured: { writes: 1 } });
    await expect(step.run(app.context, { stage: 'keep_in_step' })).rejects.toThrow('the old column is still written');
  });

  it('is done when the last such write was before the watch, and undone by its compensation', async () => {
    await keepAddressesInStep(app.context);
    await oldWrite('early');
    await app.pool.query(
      `select setval('crossfade_media.old_write_at', last_value - 10000) from crossfade_media.old_write_at`,
    );
    watched(0, 5000);
    const before = await step.look(app.context);
    expect(await step.run(app.context, before)).toMatchObject({ up: ['0005_contract'] });
    expect((await step.verify(app.context, before)).status).toBe('pass');
    expect(await step.run(app.context, before)).toMatchObject({ up: [] });
    await app.pool.query(`insert into uploads (user_id, file_key) values (gen_random_uuid(), 'new.wav')`);
    expect(await step.compensate(app.context, before)).toMatchObject({ filled: 1 });
    expect((await step.verify(app.context, before)).status).toBe('fail');
  });

  it('is undone by a full rollback too, with a URL for each row that was written since', async () => {
    await keepAddressesInStep(app.context);
    watched(0, 1000);
    await step.run(app.context, await step.look(app.context));
    await app.pool.query(`insert into uploads (user_id, file_key) values (gen_random_uuid(), 'new.wav')`);
    expect((await databaseBack().verify(app.context)).status).toBe('fail');
    await databaseBack().run(app.context);
    expect((await databaseBack().verify(app.context)).status).toBe('pass');
  });
});

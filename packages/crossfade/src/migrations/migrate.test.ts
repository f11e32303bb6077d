import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { startAppDatabase, type AppDatabase } from './fixtures/app-database.ts';
import { migrateTo, migrationStates, MigrationChanged } from './migrate.ts';
import { readMigrations, withValues, type Migration } from './migration-files.ts';

const FOLDER = 'rollouts/audafact/migrations';
const VALUES = { marker: '/object/public/media/', base: 'https://media.test/storage/v1/object/public/media/' };

let app: AppDatabase;
let migrations: readonly Migration[];
beforeAll(async () => {
  app = await startAppDatabase();
  migrations = await readMigrations(FOLDER);
});
afterAll(() => app.close());
beforeEach(() => app.reset());

const books = async (): Promise<string[]> =>
  (await app.pool.query<{ name: string }>('select name from crossfade_media.migrations order by 1')).rows.map(
    (row) => row.name,
  );
/** Everything of the app's tables that a migration could leave behind. */
const shape = async (): Promise<unknown> =>
  (
    await app.pool.query(
      `select table_name, column_name, data_type from information_schema.columns where table_schema = 'public'
       union all select tablename, indexname, indexdef from pg_indexes where schemaname = 'public'
       union all select tgrelid::regclass::text, tgname, tgenabled::text from pg_trigger where not tgisinternal
       order by 1, 2`,
    )
  ).rows;
const withoutKeys = (): Promise<unknown> =>
  app.pool.query('alter table library_tracks drop column file_key; alter table uploads drop column file_key');

describe('migrating', () => {
  it('brings a database that has nothing of it to each stage and back again to what it was', async () => {
    await withoutKeys();
    const before = await shape();
    expect((await migrateTo(app.database, migrations, VALUES, 'keep_in_step')).up).toEqual(
      migrations.slice(0, 4).map((one) => one.name),
    );
    expect((await migrateTo(app.database, migrations, VALUES, 'contract')).up).toEqual(['0005_contract']);
    expect((await migrateTo(app.database, migrations, VALUES, 'keep_in_step')).down).toEqual(['0005_contract']);
    expect((await migrateTo(app.database, migrations, VALUES, null)).down).toEqual(
      migrations
        .slice(0, 4)
        .map((one) => one.name)
        .toReversed(),
    );
    expect(await shape()).toEqual(before);
    expect(await books()).toEqual([]);
  });

  it('does nothing the second time', async () => {
    await migrateTo(app.database, migrations, VALUES, 'contract');
    const before = await shape();
    expect(await migrateTo(app.database, migrations, VALUES, 'contract')).toEqual({ up: [], down: [], adopted: [] });
    expect(await shape()).toEqual(before);
  });

  it('adopts what was there before, and does not take it away', async () => {
    const moved = await migrateTo(app.database, migrations, VALUES, 'keep_in_step');
    expect(moved).toEqual({
      up: ['0004_keep_in_step'],
      down: [],
      adopted: migrations.slice(0, 3).map((one) => one.name),
    });
    expect((await migrateTo(app.database, migrations, VALUES, null)).down).toEqual(['0004_keep_in_step']);
    const [first] = await migrationStates(app.database, migrations, VALUES);
    expect(first).toMatchObject({ recorded: 'adopted', inPlace: true });
  });

  it('applies again what somebody took away', async () => {
    await migrateTo(app.database, migrations, VALUES, 'expand');
    await app.pool.query('drop index uploads_file_key');
    expect((await migrateTo(app.database, migrations, VALUES, 'expand')).up).toEqual(['0002_expand_uploads_key']);
  });

  it('builds an index anew that an interrupted attempt left invalid', async () => {
    await withoutKeys();
    await app.pool.query(
      'alter table uploads add column file_key text; alter table library_tracks add column file_key text',
    );
    await app.pool.query(
      `insert into uploads (user_id, file_key) select gen_random_uuid(), 'twice' from generate_series(1, 2)`,
    );
    await expect(migrateTo(app.database, migrations, VALUES, 'expand')).rejects.toThrow('23505');
    await app.pool.query('delete from uploads');
    expect((await migrateTo(app.database, migrations, VALUES, 'expand')).up).toContain('0002_expand_uploads_key');
    expect((await migrationStates(app.database, migrations, VALUES)).slice(0, 3).every((one) => one.inPlace)).toBe(
      true,
    );
  });

  it('leaves nothing of a migration that fails midway', async () => {
    const before = await shape();
    const broken = migrations.map((one) =>
      one.stage === 'keep_in_step' ? { ...one, up: `${one.up}\nselect 1 / 0` } : one,
    );
    await expect(migrateTo(app.database, broken, VALUES, 'keep_in_step')).rejects.toThrow('division by zero');
    expect(await shape()).toEqual(before);
    expect(await books()).not.toContain('0004_keep_in_step');
  });

  it('refuses a migration that was changed after it was applied, and one whose files are gone', async () => {
    await migrateTo(app.database, migrations, VALUES, 'expand');
    const changed = migrations.map((one, index) => (index === 1 ? { ...one, checksum: 'other' } : one));
    const refused = migrateTo(app.database, changed, VALUES, 'contract');
    await expect(refused).rejects.toThrow(MigrationChanged);
    await expect(refused).rejects.toThrow('0002_expand_uploads_key was changed after it was applied on 20');
    await expect(migrateTo(app.database, migrations.slice(1), VALUES, 'contract')).rejects.toThrow(
      'its files are gone: put them back',
    );
    expect(await books()).toHaveLength(3);
  });

  it('waits for a writer that takes long, and holds up those behind it no longer than its lock timeout', async () => {
    const holder = await app.pool.connect();
    await holder.query('begin; insert into uploads (user_id) values (gen_random_uuid())');
    const migrated = migrateTo(app.database, migrations, VALUES, 'keep_in_step');
    // The migration queues for its lock first, so the writer below queues behind it.
    await expect
      .poll(async () => (await app.pool.query('select 1 from pg_locks where not granted')).rowCount)
      .toBeGreaterThan(0);
    const start = performance.now();
    await app.pool.query('insert into uploads (user_id) values (gen_random_uuid())');
    const waited = performance.now() - start;
    expect(waited).toBeGreaterThan(500);
    expect(waited).toBeLessThan(3000);
    await holder.query('commit');
    holder.release();
    expect((await migrated).up).toEqual(['0004_keep_in_step']);
  }, 20_000);

  it('is done once when two do it at the same time', async () => {
    await Promise.all([1, 2, 3].map(() => migrateTo(app.database, migrations, VALUES, 'contract')));
    expect(await books()).toEqual(migrations.map((one) => one.name));
  });

  it('keeps its books from the app and its users', async () => {
    await migrateTo(app.database, migrations, VALUES, 'contract');
    for (const role of ['anon', 'authenticated', 'service_role']) {
      for (const name of ['migrations', 'old_writes', 'old_write_at']) {
        const client = await app.pool.connect();
        await client.query(`set role ${role}`);
        await expect(client.query(`select * from crossfade_media.${name}`)).rejects.toThrow('permission denied');
        await client.query('reset role');
        client.release();
      }
    }
  });
});

describe('the files of migrations', () => {
  /** A copy of Audafact's with one change. */
  async function changed(change: (folder: string) => Promise<unknown>): Promise<Promise<unknown>> {
    const folder = await mkdtemp(join(tmpdir(), 'crossfade-sql-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    await cp(FOLDER, folder, { recursive: true });
    await change(folder);
    return readMigrations(folder);
  }
  it.each([
    [
      'a part that is missing',
      (folder: string) => rm(join(folder, '0004_keep_in_step.down.sql')),
      '0004_keep_in_step.down.sql cannot be read',
    ],
    [
      'a name that says no stage',
      (folder: string) => writeFile(join(folder, '0006_more.up.sql'), ''),
      '0006_more.up.sql: expected a name like',
    ],
    [
      'a gap in the numbers',
      (folder: string) => cp(join(folder, '0005_contract.up.sql'), join(folder, '0007_contract.up.sql')),
      'cannot be read',
    ],
  ])('are refused for %s', async (_what, change, message) => {
    await expect(changed(change)).rejects.toThrow(message);
  });

  it('are refused where a number is left out, or a stage comes too late', async () => {
    const renamed = async (folder: string, from: string, to: string): Promise<void> => {
      for (const part of ['up', 'down', 'check']) {
        await cp(join(folder, `${from}.${part}.sql`), join(folder, `${to}.${part}.sql`));
        await rm(join(folder, `${from}.${part}.sql`));
      }
    };
    await expect(changed((folder) => renamed(folder, '0005_contract', '0006_contract'))).rejects.toThrow(
      'expected number 5 where 0006_contract is',
    );
    await expect(changed((folder) => renamed(folder, '0005_contract', '0005_expand'))).rejects.toThrow(
      '0005_expand comes after 0004_keep_in_step',
    );
  });

  it('take values as quoted literals, as psql does, and leave casts alone', async () => {
    expect(withValues('x', `select :'a', 'b'::text`, { a: `it's \\ so` })).toBe(`select  E'it''s \\\\ so', 'b'::text`);
    expect(() => withValues('0004', `select :'other'`, { a: '' })).toThrow(`0004: there is no value for :'other'`);
    expect(await readFile(join(FOLDER, '0004_keep_in_step.up.sql'), 'utf8')).toContain(`:'marker'`);
  });
});

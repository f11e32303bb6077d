// What PostgREST 12 does for supabase-js (https://docs.postgrest.org/en/v12): done, or refused by name.
import { createClient, type SupabaseClient } from '@supabase/supabase-js';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTemporaryProject, type TemporaryProject } from './temporary-project.ts';

let project: TemporaryProject;
let service: SupabaseClient;
beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.64');
  service = createClient(project.url, project.serviceKey);
  // As the role that a team gets.
  const client = new Client({ connectionString: project.databaseUrl });
  await client.connect();
  await client.query(`
    create function public.add(a int, b int) returns int language sql as 'select a + b';
    create function public.titles() returns setof text language sql as 'select title from library_tracks order by title'`);
  await client.end();
  const tracks = ['a', 'b', 'c', 'd'].map((title, index) => ({ title, size_bytes: index * 1000, content_hash: null }));
  const { error } = await service.from('library_tracks').insert(tracks);
  if (error !== null) throw error;
});
afterAll(() => project.close());

const titles = (rows: { title: unknown }[] | null): unknown[] => (rows ?? []).map((row) => row.title);
const tracks = () => service.from('library_tracks').select('title').order('title');

describe('rows', () => {
  it('come in the order, number and count that were asked for; a bigint is a number', async () => {
    const { data, count } = await service
      .from('library_tracks')
      .select('title, bytes:size_bytes', { count: 'exact' })
      .order('size_bytes', { ascending: false })
      .range(1, 2);
    expect([data, count]).toEqual([
      [
        { title: 'c', bytes: 2000 },
        { title: 'b', bytes: 1000 },
      ],
      4,
    ]);
    expect((await service.from('library_tracks').select('*', { count: 'exact', head: true })).count).toBe(4);
  });
  it('pass every filter that there is', async () => {
    const asked = {
      gt: tracks().gt('size_bytes', 1000),
      lte: tracks().lte('size_bytes', 1000),
      neq: tracks().neq('title', 'a'),
      in: tracks().in('title', ['a', 'd', 'x,y']),
      is: tracks().is('content_hash', null).not('title', 'is', null),
      like: tracks().like('title', '%b%'),
      or: tracks().or('title.eq.a,and(size_bytes.gt.1000,title.neq.d)'),
    };
    const found = await Promise.all(
      Object.entries(asked).map(async ([name, query]) => [name, titles((await query).data).join('')]),
    );
    expect(Object.fromEntries(found)).toEqual({
      gt: 'cd',
      lte: 'ab',
      neq: 'bcd',
      in: 'ad',
      is: 'abcd',
      like: 'b',
      or: 'ac',
    });
  });
  it('are one object for single(), and 406 when there is another number of them', async () => {
    expect((await tracks().eq('title', 'a').single()).data).toEqual({ title: 'a' });
    expect((await tracks().single()).error).toMatchObject({ code: 'PGRST116' });
    expect((await tracks().eq('title', 'none').maybeSingle()).data).toBeNull();
  });
  it('are updated and deleted where a filter says so, and never all of them', async () => {
    const changed = await service
      .from('library_tracks')
      .update({ size_bytes: 5 })
      .eq('title', 'd')
      .select('size_bytes');
    expect(changed.data).toEqual([{ size_bytes: 5 }]);
    expect((await service.from('library_tracks').update({ size_bytes: 5 })).error).toMatchObject({ code: '21000' });
    expect((await service.from('library_tracks').delete()).error).toMatchObject({ code: '21000' });
    expect(titles((await tracks()).data)).toHaveLength(4);
  });
  it('are inserted or updated by upsert', async () => {
    const id = '00000000-0000-4000-8000-000000000001';
    for (const tier of ['free', 'pro']) expect((await service.from('profiles').upsert({ id, tier })).error).toBeNull();
    expect((await service.from('profiles').select('tier').eq('id', id)).data).toEqual([{ tier: 'pro' }]);
    const ignored = await service.from('profiles').upsert({ id, tier: 'x' }, { ignoreDuplicates: true }).select();
    expect(ignored.data).toEqual([]);
    expect((await service.from('profiles').insert({ id, tier: 'x' })).error).toMatchObject({ code: '23505' });
  });
  it('come from functions', async () => {
    expect((await service.rpc('add', { a: 1, b: 2 })).data).toBe(3);
    expect((await service.rpc('titles')).data).toEqual(['a', 'b', 'c', 'd']);
    expect((await service.rpc('nothing')).error).toMatchObject({ code: 'PGRST202' });
  });
});

describe('what is not done is refused by name', () => {
  it.each([
    ['an embedded table', () => service.from('uploads').select('title, profiles(tier)'), 'embedded'],
    ['an operator', () => service.from('uploads').select().contains('title', ['a']), 'operator cs'],
    ['a JSON path', () => service.from('uploads').select().eq('title->a', 1), 'JSON path'],
    ['a CSV', () => service.from('uploads').select().csv(), 'text/csv'],
  ])('%s', async (_name, ask, word) => {
    const { error } = await ask();
    expect(error?.message).toContain(word);
  });
  it('a column and a table that are not there', async () => {
    expect((await service.from('uploads').select('nothing')).error).toMatchObject({ code: '42703' });
    expect((await service.from('nothing').select()).error).toMatchObject({ code: '42P01' });
  });
});

describe('the database that a team gets', () => {
  it('is opened by postgres, who is no superuser and owns neither auth nor storage, and whom no policy stops', async () => {
    const client = new Client({ connectionString: project.databaseUrl });
    await client.connect();
    try {
      const one = async (text: string) => (await client.query<Record<string, unknown>>(text)).rows[0];
      expect(
        await one('select current_user as name, rolsuper, rolbypassrls from pg_roles where rolname = current_user'),
      ).toEqual({ name: 'postgres', rolsuper: false, rolbypassrls: true });
      await expect(one('alter table storage.objects add column mine int')).rejects.toThrow('must be owner');
      await expect(one('create table auth.mine ()')).rejects.toThrow('permission denied');
      expect(await one('select count(*)::int as n from auth.users')).toEqual({ n: 0 });
      await one('alter table public.uploads add column mine int');
      const columns = `select string_agg(column_name, ' ' order by ordinal_position) as names from information_schema.columns
        where table_schema = 'storage' and table_name = 'objects'`;
      expect(await one(columns)).toEqual({
        names:
          'id bucket_id name owner created_at updated_at last_accessed_at metadata path_tokens version owner_id user_metadata',
      });
    } finally {
      await client.end();
    }
  });
});

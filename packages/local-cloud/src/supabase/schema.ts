import type { Pool } from 'pg';

/**
 * A project's database as the vendor and the legacy app made it: `auth` and `storage` are Supabase's, `public` is
 * Audafact's, with Row Level Security. Every statement may run again.
 */
const SCHEMA = `
do $$ begin
  if not exists (select from pg_roles where rolname = 'anon') then create role anon nologin; end if;
  if not exists (select from pg_roles where rolname = 'authenticated') then create role authenticated nologin; end if;
  if not exists (select from pg_roles where rolname = 'service_role') then create role service_role nologin bypassrls; end if;
end $$;
create schema if not exists auth;
create schema if not exists storage;
create table if not exists auth.users (
  id uuid primary key default gen_random_uuid(), email text unique not null, password_hash text not null,
  created_at timestamptz not null default now());
create table if not exists auth.refresh_tokens (
  token text primary key, user_id uuid not null references auth.users(id) on delete cascade);
create or replace function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true)::json->>'sub', '')::uuid $$;
create table if not exists storage.buckets (
  id text primary key, name text unique not null, public boolean not null default false,
  file_size_limit bigint, allowed_mime_types text[],
  created_at timestamptz not null default now(), updated_at timestamptz not null default now());
create table if not exists storage.objects (
  bucket_id text not null references storage.buckets(id), name text collate "C" not null,
  version uuid not null, size bigint not null, etag text not null, mimetype text, cache_control text,
  user_metadata jsonb not null default '{}',
  created_at timestamptz not null default now(), updated_at timestamptz not null default now(),
  primary key (bucket_id, name));
create table if not exists public.profiles (id uuid primary key, tier text not null default 'free');
create table if not exists public.library_tracks (
  id uuid primary key default gen_random_uuid(), title text not null, file_url text, file_key text, preview_key text,
  is_pro_only boolean not null default false, content_hash text, size_bytes bigint, content_type text);
create table if not exists public.uploads (
  id uuid primary key default gen_random_uuid(), user_id uuid not null, file_url text, file_key text, title text,
  content_type text, size_bytes bigint, created_at timestamptz not null default now(), updated_at timestamptz not null default now());
create unique index if not exists uploads_file_key on public.uploads (file_key) where file_key is not null;
create index if not exists uploads_user on public.uploads (user_id);
create index if not exists library_tracks_file_key on public.library_tracks (file_key);
create table if not exists public.media_telemetry (
  id bigint generated always as identity primary key, at timestamptz not null default now(), kind text not null, value double precision);
alter table public.profiles enable row level security;
alter table public.library_tracks enable row level security;
alter table public.uploads enable row level security;
alter table public.media_telemetry enable row level security;
do $$ begin
  if not exists (select from pg_policies where policyname = 'own profile') then
    create policy "own profile" on public.profiles for select using (id = auth.uid());
    create policy "library is public" on public.library_tracks for select using (true);
    create policy "own uploads" on public.uploads for all using (user_id = auth.uid()) with check (user_id = auth.uid());
  end if;
end $$;
grant usage on schema public, auth to anon, authenticated, service_role;
grant select on public.library_tracks to anon, authenticated;
grant select on public.profiles to authenticated;
grant select, insert, update, delete on public.uploads to authenticated;
grant all on all tables in schema public to service_role;
`;

export async function createSchema(pool: Pool): Promise<void> {
  await pool.query(SCHEMA);
}

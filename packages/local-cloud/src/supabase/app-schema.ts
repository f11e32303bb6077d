/**
 * The legacy app's own tables in its project's database, with Row Level Security, and its policies on Storage: a
 * user's files are below `users/<id>/`, and nobody else's business. Made by the role `postgres`, which owns them, as
 * it owns what a team makes in a project of Supabase. Every statement may run again.
 */
export const APP_TABLES = `
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
grant select on public.library_tracks to anon, authenticated;
grant select on public.profiles to authenticated;
grant select, insert, update, delete on public.uploads to authenticated;
grant all on all tables in schema public to service_role;
`;

/** Supabase lets `postgres` make policies on Storage's tables by an extension; here their owner makes them. */
export const APP_STORAGE_POLICIES = `
do $$ begin
  if not exists (select from pg_policies where schemaname = 'storage' and policyname = 'own files') then
    create policy "own files" on storage.objects for all to authenticated
      using (starts_with(name, 'users/' || auth.uid() || '/'))
      with check (starts_with(name, 'users/' || auth.uid() || '/'));
  end if;
end $$;
`;

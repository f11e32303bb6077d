import { escapeLiteral, type Pool } from 'pg';
import { APP_STORAGE_POLICIES, APP_TABLES } from './app-schema.ts';

/**
 * The roles of a project. `postgres`, which a team gets, is no superuser, and owns neither `auth` nor `storage`
 * (https://supabase.com/docs/guides/database/postgres/roles). Roles belong to the whole server: another project of
 * the same server may be making them at this moment.
 */
const roles = (password: string): string => `
do $$
declare
  wanted record;
begin
  for wanted in select * from (values
    ('anon', 'nologin noinherit'),
    ('authenticated', 'nologin noinherit'),
    ('service_role', 'nologin noinherit bypassrls'),
    ('supabase_auth_admin', 'nologin noinherit createrole'),
    ('supabase_storage_admin', 'nologin noinherit createrole'),
    ('postgres', 'login createdb createrole replication bypassrls')
  ) as roles (name, attributes) loop
    begin
      if not exists (select from pg_roles where rolname = wanted.name) then
        execute format('create role %I %s', wanted.name, wanted.attributes);
        if wanted.name = 'postgres' then
          grant anon, authenticated, service_role to postgres;
          alter role postgres password ${escapeLiteral(password)};
        end if;
      end if;
    exception when duplicate_object or unique_violation then null;
    end;
  end loop;
end $$;
`;

/** `auth` and `storage` with the columns of the real ones (GoTrue, supabase/storage 1.11.2), as far as they are used. */
const VENDOR = `
do $$ begin execute format('alter database %I owner to postgres', current_database()); end $$;
create schema if not exists auth authorization supabase_auth_admin;
create schema if not exists storage authorization supabase_storage_admin;
create table if not exists auth.users (
  instance_id uuid, id uuid primary key default gen_random_uuid(), aud varchar(255), role varchar(255),
  email varchar(255), encrypted_password varchar(255), email_confirmed_at timestamptz, invited_at timestamptz,
  confirmation_token varchar(255), confirmation_sent_at timestamptz, recovery_token varchar(255),
  recovery_sent_at timestamptz, email_change_token_new varchar(255), email_change varchar(255),
  email_change_sent_at timestamptz, last_sign_in_at timestamptz, raw_app_meta_data jsonb, raw_user_meta_data jsonb,
  is_super_admin boolean, created_at timestamptz default now(), updated_at timestamptz default now(), phone text unique,
  phone_confirmed_at timestamptz, banned_until timestamptz, is_sso_user boolean not null default false,
  deleted_at timestamptz, is_anonymous boolean not null default false);
create unique index if not exists users_email_partial_key on auth.users (email) where is_sso_user = false;
create table if not exists auth.refresh_tokens (
  id bigint generated always as identity primary key, token varchar(255) unique, user_id varchar(255),
  revoked boolean, parent varchar(255), session_id uuid,
  created_at timestamptz default now(), updated_at timestamptz default now());
create or replace function auth.uid() returns uuid language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true)::json->>'sub', '')::uuid $$;
create or replace function auth.role() returns text language sql stable as
  $$ select nullif(current_setting('request.jwt.claims', true)::json->>'role', '') $$;
create table if not exists storage.buckets (
  id text primary key, name text not null, owner uuid, created_at timestamptz default now(),
  updated_at timestamptz default now(), public boolean default false, avif_autodetection boolean default false,
  file_size_limit bigint, allowed_mime_types text[], owner_id text);
create unique index if not exists bname on storage.buckets (name);
create table if not exists storage.objects (
  id uuid primary key default gen_random_uuid(), bucket_id text references storage.buckets(id), name text,
  owner uuid, created_at timestamptz default now(), updated_at timestamptz default now(),
  last_accessed_at timestamptz default now(), metadata jsonb,
  path_tokens text[] generated always as (string_to_array(name, '/')) stored,
  version text, owner_id text, user_metadata jsonb);
create unique index if not exists bucketid_objname on storage.objects (bucket_id, name collate "C");
create or replace function storage.foldername(name text) returns text[] language sql immutable as
  $$ select (string_to_array(name, '/'))[1:array_length(string_to_array(name, '/'), 1) - 1] $$;
alter table storage.buckets enable row level security;
alter table storage.objects enable row level security;
alter table auth.users owner to supabase_auth_admin;
alter table auth.refresh_tokens owner to supabase_auth_admin;
alter table storage.buckets owner to supabase_storage_admin;
alter table storage.objects owner to supabase_storage_admin;
grant usage on schema auth, storage to postgres, anon, authenticated, service_role;
grant usage, create on schema public to postgres;
grant usage on schema public to anon, authenticated, service_role;
grant all on all tables in schema auth, storage to postgres;
grant all on all tables in schema storage to anon, authenticated, service_role;
`;

/**
 * A project's database as the vendor and the legacy app made it; `pool` is its superuser's. May run again. The role
 * `postgres` gets the password unless it is there already.
 */
export async function createSchema(pool: Pool, password = 'postgres'): Promise<void> {
  await pool.query(roles(password));
  const client = await pool.connect();
  try {
    await client.query(VENDOR);
    await client.query(`begin; set local role postgres; ${APP_TABLES} commit`);
    await client.query(APP_STORAGE_POLICIES);
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

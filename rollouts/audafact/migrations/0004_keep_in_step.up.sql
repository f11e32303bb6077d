-- While both worlds live, whoever writes one address of a row gets the other beside it.
--   :'marker'  what stands before the key in a public URL: /object/public/<bucket>/
--   :'base'    the whole beginning of a public URL, up to the key
--
-- Row-level security: the function that fills a row runs as whoever writes it, changes that row alone, before the
-- policies judge it, and reads no table. The two functions it calls compute and see no data, so everybody may call them.

-- Key that a public URL names; null for an address of somebody else. Percent-encoding that is none is taken as it is.
create or replace function crossfade_media.key_of(url text, marker text) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog as $$
declare
  path text := regexp_replace(url, '[?#].*$', '');
  at int := position(marker in path);
  raw text;
begin
  if coalesce(at, 0) = 0 then return null; end if;
  raw := nullif(substring(path from at + length(marker)), '');
  if raw is null or position('%' in raw) = 0 then return raw; end if;
  begin
    return (
      select convert_from(string_agg(
        case when piece[1] ~ '^%[0-9a-fA-F]{2}$' then decode(substring(piece[1] from 2), 'hex') else convert_to(piece[1], 'UTF8') end,
        ''::bytea order by nth), 'UTF8')
      from regexp_matches(raw, '%[0-9a-fA-F]{2}|[^%]+|%', 'g') with ordinality as pieces(piece, nth));
  exception when character_not_in_repertoire or untranslatable_character then
    return raw;
  end;
end $$;

-- Public URL of a key, as encodeURI writes it, with ? and # encoded too: they would end the path.
create or replace function crossfade_media.url_of(key text, base text) returns text
language sql immutable parallel safe set search_path = pg_catalog as $$
  select base || coalesce(string_agg(
    case when piece[1] ~ '^[A-Za-z0-9;,/:@&=+$_.!~*''()-]' then piece[1]
      else upper(regexp_replace(encode(convert_to(piece[1], 'UTF8'), 'hex'), '(..)', '%\1', 'g')) end,
    '' order by nth), '')
  from regexp_matches(key, '[A-Za-z0-9;,/:@&=+$_.!~*''()-]+|[^A-Za-z0-9;,/:@&=+$_.!~*''()-]', 'g') with ordinality as pieces(piece, nth)
$$;

grant usage on schema crossfade_media to public;
grant execute on function crossfade_media.key_of(text, text), crossfade_media.url_of(text, text) to public;

create or replace function crossfade_media.keep_in_step() returns trigger
language plpgsql set search_path = pg_catalog as $$
declare
  url_key text;
  key_changed boolean := true;
  url_changed boolean := true;
begin
  new.file_key := nullif(new.file_key, '');
  if tg_op = 'UPDATE' then
    key_changed := new.file_key is distinct from old.file_key;
    url_changed := new.file_url is distinct from old.file_url;
  end if;
  url_key := crossfade_media.key_of(new.file_url, tg_argv[0]);
  if url_changed and not key_changed then
    -- The old world moved the row.
    new.file_key := url_key;
  elsif key_changed and not url_changed and new.file_key is null then
    -- The new world took the medium away; an address of somebody else is not ours to take.
    if url_key is not null then new.file_url := null; end if;
  elsif new.file_key is null then
    new.file_key := url_key;
  elsif new.file_url is null or (key_changed and url_key is distinct from new.file_key) then
    -- The new world moved the row, or wrote two addresses that contradict each other: its own counts.
    new.file_url := crossfade_media.url_of(new.file_key, tg_argv[1]);
  end if;
  return new;
end $$;

-- When somebody last wrote file_url alone (ms since the epoch), and how often: the evidence without which the old column is
-- not given up. Sequences, because they are written without a lock on any row, and no rollback takes them back.
create sequence if not exists crossfade_media.old_writes;
create sequence if not exists crossfade_media.old_write_at;

-- Runs as its owner, since whoever writes media may not touch the sequences; it reads nothing and answers nothing.
create or replace function crossfade_media.note_old_write() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
  perform nextval('crossfade_media.old_writes'::regclass);
  perform setval('crossfade_media.old_write_at'::regclass, (extract(epoch from clock_timestamp()) * 1000)::bigint);
  return new;
end $$;
revoke all on function crossfade_media.note_old_write() from public;

-- Triggers of one kind run in the order of their names: what a client wrote is noted before it is filled up.
create or replace trigger crossfade_1_old_insert before insert on public.library_tracks for each row
  when (new.file_url is not null and new.file_key is null) execute function crossfade_media.note_old_write();
create or replace trigger crossfade_1_old_update before update of file_url on public.library_tracks for each row
  when (new.file_url is distinct from old.file_url and new.file_key is not distinct from old.file_key)
  execute function crossfade_media.note_old_write();
create or replace trigger crossfade_media_address before insert or update on public.library_tracks
  for each row execute function crossfade_media.keep_in_step(:'marker', :'base');

create or replace trigger crossfade_1_old_insert before insert on public.uploads for each row
  when (new.file_url is not null and new.file_key is null) execute function crossfade_media.note_old_write();
create or replace trigger crossfade_1_old_update before update of file_url on public.uploads for each row
  when (new.file_url is distinct from old.file_url and new.file_key is not distinct from old.file_key)
  execute function crossfade_media.note_old_write();
create or replace trigger crossfade_media_address before insert or update on public.uploads
  for each row execute function crossfade_media.keep_in_step(:'marker', :'base');

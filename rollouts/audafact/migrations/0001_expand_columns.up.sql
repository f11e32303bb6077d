-- A column without a default is added at once, however many rows there are.
alter table public.library_tracks add column if not exists file_key text;
alter table public.uploads add column if not exists file_key text;

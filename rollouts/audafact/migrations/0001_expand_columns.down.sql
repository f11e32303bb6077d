alter table public.uploads drop column if exists file_key;
alter table public.library_tracks drop column if exists file_key;

-- crossfade: no transaction
create index concurrently if not exists library_tracks_file_key on public.library_tracks (file_key)

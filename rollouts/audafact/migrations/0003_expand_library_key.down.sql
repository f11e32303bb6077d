drop index concurrently if exists public.library_tracks_file_key

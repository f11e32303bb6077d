drop index concurrently if exists public.uploads_file_key

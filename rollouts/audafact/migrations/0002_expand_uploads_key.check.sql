select exists (select from pg_index i where i.indexrelid = to_regclass('public.uploads_file_key') and i.indisvalid)

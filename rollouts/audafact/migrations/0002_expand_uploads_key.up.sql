-- crossfade: no transaction
-- An upload that arrives twice is one row. Built beside the writers, who need not wait for it.
create unique index concurrently if not exists uploads_file_key on public.uploads (file_key) where file_key is not null

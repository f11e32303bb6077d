select count(*) = 2 from information_schema.columns
where table_schema = 'public' and table_name in ('library_tracks', 'uploads') and column_name = 'file_key'

select count(*) = 2 from pg_trigger
where tgname = 'crossfade_media_address'
  and tgrelid in (to_regclass('public.library_tracks'), to_regclass('public.uploads'))

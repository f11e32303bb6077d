-- The old world is over: nothing keeps file_url in step any more. Rows and columns stay as they are, so that going
-- back costs nothing; the column goes when no code names it any more, and never in a hurry.
alter table public.library_tracks disable trigger crossfade_media_address;
alter table public.uploads disable trigger crossfade_media_address;

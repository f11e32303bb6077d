alter table public.library_tracks enable trigger crossfade_media_address;
alter table public.uploads enable trigger crossfade_media_address;

drop function if exists crossfade_media.keep_in_step() cascade;
drop function if exists crossfade_media.note_old_write() cascade;
drop sequence if exists crossfade_media.old_writes, crossfade_media.old_write_at;
drop function if exists crossfade_media.key_of(text, text);
drop function if exists crossfade_media.url_of(text, text);

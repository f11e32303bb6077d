/** What Supabase Storage takes in a key (`isValidKey` in its source, supabase/storage 1.11.2); it refuses all others. */
const TAKEN = /^[A-Za-z0-9_/!.*'() &$=@;:+,?-]+$/;
/** Bytes; as S3, which keeps the objects behind it. */
const LONGEST = 1024;

/** Why Supabase Storage can hold nothing under a key, in words for a report; `null` when it can. */
export function refusedByStorage(key: string): string | null {
  const bytes = Buffer.byteLength(key);
  if (bytes > LONGEST) return `a key takes ${LONGEST} bytes, this one has ${bytes}`;
  if (key === '') return 'Supabase Storage takes no empty key';
  const strange = [...key].find((character) => !TAKEN.test(character));
  return strange === undefined ? null : `Supabase Storage takes no ${JSON.stringify(strange)} in a key`;
}

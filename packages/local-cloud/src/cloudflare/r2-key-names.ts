import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as v from 'valibot';

const rows = v.array(v.object({ bucket: v.string(), key: v.string(), shown: v.string() }));

/** Whether other code points than these write the same text. */
const hasOtherForm = (key: string): boolean => key.normalize('NFC') !== key.normalize('NFD');

export interface KeyNames {
  /** Notes how a key was written when its object was last stored. */
  note(bucket: string, written: string): void;
  /** How listings show the object that is stored under that key. */
  shown(bucket: string, stored: string): string;
  /** Whether any object of the bucket is shown by another name than it is stored under. */
  hasAny(bucket: string): boolean;
  close(): void;
}

/** The key that R2 stores an object under: of keys that differ by Unicode normalisation alone it knows one. */
export const storedKey = (key: string): string => key.normalize('NFC');

/**
 * R2 normalises keys to NFC before it stores them, and shows in a listing the encoding that was last uploaded with:
 * https://developers.cloudflare.com/r2/reference/unicode-interoperability/. The simulator knows one key alone, so the
 * other is kept here.
 */
export function openKeyNames(folder: string): KeyNames {
  const database = new DatabaseSync(join(folder, 'r2-key-names.sqlite'));
  database.exec(
    'create table if not exists names (bucket text not null, key text not null, shown text not null, primary key (bucket, key))',
  );
  const names = new Map<string, Map<string, string>>();
  for (const { bucket, key, shown } of v.parse(rows, database.prepare('select bucket, key, shown from names').all()))
    names.set(bucket, (names.get(bucket) ?? new Map<string, string>()).set(key, shown));
  return {
    note(bucket, written) {
      if (!hasOtherForm(written)) return;
      const key = storedKey(written);
      const ofBucket = names.get(bucket) ?? new Map<string, string>();
      names.set(bucket, ofBucket);
      if (key === written) {
        if (ofBucket.delete(key)) database.prepare('delete from names where bucket = ? and key = ?').run(bucket, key);
      } else if (ofBucket.get(key) !== written) {
        ofBucket.set(key, written);
        database.prepare('insert or replace into names values (?, ?, ?)').run(bucket, key, written);
      }
    },
    shown: (bucket, stored) => names.get(bucket)?.get(stored) ?? stored,
    hasAny: (bucket) => (names.get(bucket)?.size ?? 0) > 0,
    close: () => database.close(),
  };
}

import type { StoredObject } from './object-store.ts';

export interface Page {
  readonly objects: readonly StoredObject[];
  /** Common prefixes, with the delimiter at the end. */
  readonly folders: readonly string[];
  /** Key or folder after which the next page begins; `null` on the last one. */
  readonly next: string | null;
}
type ListRows = (options: { prefix: string; after: string; limit: number }) => Promise<StoredObject[]>;

/** A string that comes after every key that begins with this one. */
const past = (prefix: string): string => `${prefix}\u{10ffff}`;

/** A page of a listing in byte order, in which what lies deeper than the delimiter is told once, as a folder. */
export async function delimitedPage(
  list: ListRows,
  options: { prefix: string; delimiter: string; after: string; most: number },
): Promise<Page> {
  const { prefix, delimiter, most } = options;
  const objects: StoredObject[] = [];
  const folders: string[] = [];
  const isFolder = (text: string): boolean =>
    delimiter !== '' && text.length > prefix.length && text.endsWith(delimiter);
  let next = options.after;
  for (;;) {
    const rows = await list({ prefix, after: isFolder(next) ? past(next) : next, limit: most + 1 });
    for (const object of rows) {
      const cut = delimiter === '' ? -1 : object.name.slice(prefix.length).indexOf(delimiter);
      const folder = cut < 0 ? null : object.name.slice(0, prefix.length + cut + delimiter.length);
      if (folder !== null && folder === folders.at(-1)) continue;
      if (objects.length + folders.length >= most) return { objects, folders, next };
      if (folder === null) objects.push(object);
      else folders.push(folder);
      next = folder ?? object.name;
    }
    if (rows.length <= most) return { objects, folders, next: null };
  }
}

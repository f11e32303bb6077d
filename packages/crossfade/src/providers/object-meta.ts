/** What a store keeps of an object besides its bytes: the six system headers of S3, and what people add. */
export interface ObjectMeta {
  readonly contentType: string | null;
  readonly cacheControl: string | null;
  readonly contentDisposition: string | null;
  readonly contentEncoding: string | null;
  readonly contentLanguage: string | null;
  /** To the letter, as it was set: S3 keeps any text here, not only dates. */
  readonly expires: string | null;
  /** By name, in lower case and without `x-amz-meta-`; the values are decoded. */
  readonly custom: Readonly<Record<string, string>>;
  /**
   * Custom values that the store keeps and has not told: so many (`x-amz-missing-meta`), or `null` where it does not
   * say how many, or whether any. Absent where all are told. A `get` may tell less than `head` does.
   */
  readonly untold?: number | null;
}

/** The system headers, by the name that each has in HTTP. A path that carries metadata walks this list, so none is forgotten. */
export const SYSTEM_HEADERS = {
  contentType: 'content-type',
  cacheControl: 'cache-control',
  contentDisposition: 'content-disposition',
  contentEncoding: 'content-encoding',
  contentLanguage: 'content-language',
  expires: 'expires',
} as const satisfies Record<Exclude<keyof ObjectMeta, 'custom' | 'untold'>, string>;

export type SystemHeader = keyof typeof SYSTEM_HEADERS;
export const SYSTEM_HEADER_NAMES = Object.keys(SYSTEM_HEADERS) as readonly SystemHeader[];

export const NO_META: ObjectMeta = {
  contentType: null,
  cacheControl: null,
  contentDisposition: null,
  contentEncoding: null,
  contentLanguage: null,
  expires: null,
  custom: {},
};

/** Metadata of which only these fields are set. */
export function metaOf(set: Partial<ObjectMeta>): ObjectMeta {
  return { ...NO_META, ...set };
}

/** The fields in which two objects' metadata differs: system headers by their HTTP name, custom ones as `x-amz-meta-…`. */
export function differingMeta(a: ObjectMeta, b: ObjectMeta): string[] {
  const system = SYSTEM_HEADER_NAMES.filter((field) => a[field] !== b[field]).map((field) => SYSTEM_HEADERS[field]);
  const names = [...new Set([...Object.keys(a.custom), ...Object.keys(b.custom)])].toSorted();
  const custom = names.filter((name) => a.custom[name] !== b.custom[name]).map((name) => `x-amz-meta-${name}`);
  return [...system, ...custom];
}

/** The fields of `wanted` that are not as such in `held`; what only `held` has, a store's default say, is no loss. */
export function lostMeta(wanted: ObjectMeta, held: ObjectMeta): string[] {
  const custom = Object.fromEntries(Object.entries(held.custom).filter(([name]) => Object.hasOwn(wanted.custom, name)));
  const system = SYSTEM_HEADER_NAMES.filter((field) => wanted[field] !== null);
  const asked = Object.fromEntries(system.map((field) => [field, held[field]]));
  return differingMeta(wanted, { ...NO_META, ...asked, custom });
}

/** A value that no request can carry: the object cannot be written as it is, whoever tries, and however often. */
export class UnsendableHeader extends TypeError {
  override readonly name = 'UnsendableHeader';
}

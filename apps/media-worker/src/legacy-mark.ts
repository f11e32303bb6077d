/**
 * Metadata of an object in R2 that legacy has as well, for the mirror: what legacy lacks of it was deleted there. It
 * lies with the bytes, since an event may come late, or after that of a later change.
 */
export const LEGACY_HAS = 'crossfade-legacy';
/** The bypass wrote it to both. */
export const WRITTEN_TO_BOTH = 'written-to-both';
/** It was read from legacy. */
export const CARRIED_OVER = 'carried-over';

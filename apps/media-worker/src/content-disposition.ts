import { encodeStrictly } from './percent-encoding.ts';

/**
 * For readers that do not know `filename*`: ASCII without what RFC 6266 appendix D warns of, the quote and the backslash,
 * which are escaped differently everywhere, and the percent sign, which some decode.
 */
function asciiName(name: string): string {
  return name
    .normalize('NFD')
    .replaceAll(/\p{Mn}/gu, '')
    .replaceAll(/[^ !#-$&-[\]-~]/gu, '_');
}

/** A Content-Disposition that has the reader's browser save a file of this name (RFC 6266, RFC 8187). */
export function attachmentNamed(name: string): string {
  // A key that ends in a slash has no name to offer: the browser takes one from the address.
  if (name === '') return 'attachment';
  return `attachment; filename="${asciiName(name)}"; filename*=UTF-8''${encodeStrictly(name.toWellFormed())}`;
}

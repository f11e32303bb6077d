import { strFromU8, strToU8, unzipSync, zipSync } from 'fflate';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Text of a member, or `null` where it is something else: pictures, sound. */
export function memberText(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes);
    return text.includes('\u0000') ? null : text;
  } catch {
    return null;
  }
}

/** The members of a zip, all in memory: meant for evidence of a few MB. Throws when the bytes are no zip. */
export function zipMembers(zip: Uint8Array): { name: string; bytes: Uint8Array }[] {
  return Object.entries(unzipSync(zip)).map(([name, bytes]) => ({ name, bytes }));
}

/**
 * A zip with every text in it redacted, names too. A browser's trace holds what was typed and every header and
 * body, compressed, so that no search of the file itself would find a secret.
 */
export function redactZip(zip: Uint8Array, redact: (text: string) => string): Uint8Array {
  const clean = zipMembers(zip).map(({ name, bytes }) => {
    const text = memberText(bytes);
    return [redact(name), text === null ? bytes : strToU8(redact(text))] as const;
  });
  return zipSync(Object.fromEntries(clean));
}

/** Everything that can be read in a zip, as one text: what is searched for secrets. */
export function textOfZip(zip: Uint8Array): string {
  return zipMembers(zip)
    .map(({ name, bytes }) => `${name}\n${memberText(bytes) ?? strFromU8(bytes, true)}`)
    .join('\n');
}

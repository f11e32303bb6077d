import { createHash } from 'node:crypto';
import type { Phone, Place } from './phone.ts';
import type { Random } from './seeded-random.ts';
import type { Surroundings } from './surroundings.ts';

/** What a listener who looks in reads of a track, and one who plays on reads at a time, bytes. */
const FIRST_BYTES = 64 * 1024;
const PIECE_BYTES = 16 * 1024;

export interface Readable {
  readonly key: string;
  readonly sizeBytes: number;
  /** Hex SHA-256 of the bytes. */
  readonly sha256: string;
}

export const sha256Of = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Playing and reading back, on whichever side serves. */
export function createListening(phone: Phone, world: Surroundings) {
  async function readUrl(place: Place, key: string, intended: number): Promise<string> {
    if (place.side === 'legacy') return phone.publicUrl(key);
    const url = `${world.mediaOrigin}/api/sign-file?key=${encodeURIComponent(key)}`;
    const headers = { authorization: `Bearer ${await phone.token()}` };
    const answer = await phone.counted('GET sign-file', place, intended, url, { headers, expect: [200] });
    return (JSON.parse(answer.body.toString('utf8')) as { url: string }).url;
  }

  /** As a player does: by one link, one range after the other. */
  async function play(place: Place, url: string, size: number, intended: number): Promise<void> {
    const most = world.pieces === 1 ? FIRST_BYTES : PIECE_BYTES;
    for (let piece = 0, start = 0; piece < world.pieces && start < size; piece++, start += most) {
      const length = Math.min(size - start, most);
      await phone.counted('GET media', place, piece === 0 ? intended : performance.now(), url, {
        headers: { range: `bytes=${start}-${start + length - 1}` },
        expect: [206],
        judge: ({ body }) => (body.byteLength === length ? null : 'truncated'),
      });
    }
  }

  return {
    /** Reads a file: `whole`, its bytes compared, or as a player does. @throws Failed */
    async read(file: Readable, whole: boolean, intended: number, random: Random): Promise<void> {
      const place = await phone.place(intended);
      const url = await readUrl(place, file.key, intended);
      if (whole) {
        await phone.counted('GET media', place, intended, url, {
          expect: [200],
          judge: ({ body }) => (sha256Of(body) === file.sha256 ? null : 'wrong bytes'),
        });
      } else await play(place, url, file.sizeBytes, intended);
      phone.tell(place, 'preview-start', performance.now() - intended, random);
    },
  };
}

import { expect, it } from 'vitest';
import { FRAME_BYTES, makeMp3, makeWav, seededRandom } from './audio-files.ts';
import { plannedMedia } from './media-plan.ts';

const some = () => [...plannedMedia({ tracks: 60, uploads: 20, users: ['u1', 'u2'], large: false, largest: 300_000 })];

it('plans the same files every time, and no two alike', () => {
  const [one, two] = [some(), some()];
  expect(one.map((media) => [media.key, media.sha256])).toEqual(two.map((media) => [media.key, media.sha256]));
  expect(new Set(one.map((media) => media.sha256)).size).toBe(80);
  expect(new Set(one.map((media) => media.contentType))).toEqual(new Set(['audio/wav', 'audio/mpeg']));
});

it('plans sizes from 20 KiB to the largest, most of them small', () => {
  const sizes = some().map((media) => media.bytes.byteLength);
  expect(Math.min(...sizes)).toBeGreaterThan(19_000);
  expect(Math.max(...sizes)).toBeGreaterThan(290_000);
  expect(sizes.toSorted((a, b) => a - b)[40]).toBeLessThan(120_000);
});

it('makes WAV files whose header tells the truth', () => {
  const wav = makeWav(50_000, seededRandom(1));
  expect(wav.toString('latin1', 0, 4) + wav.toString('latin1', 8, 15)).toBe('RIFFWAVEfmt');
  expect(wav.readUInt32LE(4)).toBe(wav.byteLength - 8);
  expect(wav.readUInt32LE(40)).toBe(wav.byteLength - 44);
});

it('makes MP3 files that are whole frames from the tag to the end', () => {
  const mp3 = makeMp3(50_000, 'Blue Echo');
  expect(mp3.toString('latin1', 0, 3)).toBe('ID3');
  const tag = 10 + (mp3.readUInt8(6) << 21) + (mp3.readUInt8(7) << 14) + (mp3.readUInt8(8) << 7) + mp3.readUInt8(9);
  expect((mp3.byteLength - tag) % FRAME_BYTES).toBe(0);
  for (let at = tag; at < mp3.byteLength; at += FRAME_BYTES) expect(mp3.readUInt16BE(at)).toBe(0xfffb);
});

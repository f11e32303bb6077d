import { createHash } from 'node:crypto';

/** A small, fast, seedable generator (mulberry32): the same seed gives the same files on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const WAV_RATE = 22_050;
const WAV_HEADER = 44;

/** 16-bit mono WAV of about `bytes` bytes: two tones that beat against each other, by table. */
export function makeWav(bytes: number, random: () => number): Buffer {
  const samples = Math.max(1, Math.floor((bytes - WAV_HEADER) / 2));
  const wav = Buffer.alloc(WAV_HEADER + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(WAV_RATE, 24);
  wav.writeUInt32LE(WAV_RATE * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  // One second of sound, repeated with a changing volume, is quicker than a sine for each sample.
  const low = 110 * 2 ** (Math.floor(random() * 24) / 12);
  const high = low * (1.5 + random() * 0.01);
  const table = Int16Array.from(
    { length: WAV_RATE },
    (_, i) =>
      9000 * Math.sin((2 * Math.PI * low * i) / WAV_RATE) + 7000 * Math.sin((2 * Math.PI * high * i) / WAV_RATE),
  );
  const second = Buffer.from(table.buffer);
  for (let offset = WAV_HEADER; offset < wav.byteLength; offset += second.byteLength) {
    second.copy(wav, offset, 0, Math.min(second.byteLength, wav.byteLength - offset));
    // A mark of its own in each second, so that no two stretches of a file are alike.
    if (offset + 2 < wav.byteLength) wav.writeInt16LE(Math.floor(random() * 65_536) - 32_768, offset);
  }
  return wav;
}

/** MPEG-1 Layer III, 128 kbit/s, 44.1 kHz, mono, no CRC: the header of every frame (ISO/IEC 11172-3 §2.4.1.3). */
const FRAME_HEADER = [0xff, 0xfb, 0x90, 0xc0] as const;
export const FRAME_BYTES = Math.floor((144 * 128_000) / 44_100);

/** An ID3v2.3 tag with a title (UTF-16 is not needed: titles here are Latin-1). */
function id3(title: string): Buffer {
  const text = Buffer.concat([Buffer.from([0]), Buffer.from(title, 'latin1')]);
  const frame = Buffer.alloc(10);
  frame.write('TIT2', 0);
  frame.writeUInt32BE(text.byteLength, 4);
  const size = frame.byteLength + text.byteLength;
  const header = Buffer.from([
    0x49,
    0x44,
    0x33,
    3,
    0,
    0,
    (size >> 21) & 0x7f,
    (size >> 14) & 0x7f,
    (size >> 7) & 0x7f,
    size & 0x7f,
  ]);
  return Buffer.concat([header, frame, text]);
}

/**
 * A valid MP3 of about `bytes` bytes: a tag that makes it unlike every other, then frames whose side information
 * says that they hold no coefficients. It plays, as silence: an encoder would be needed for more.
 */
export function makeMp3(bytes: number, title: string): Buffer {
  const tag = id3(title);
  const frames = Math.max(1, Math.round((bytes - tag.byteLength) / FRAME_BYTES));
  const body = Buffer.alloc(frames * FRAME_BYTES);
  for (let index = 0; index < frames; index++) body.set(FRAME_HEADER, index * FRAME_BYTES);
  return Buffer.concat([tag, body]);
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

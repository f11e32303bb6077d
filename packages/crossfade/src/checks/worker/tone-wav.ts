const SAMPLE_RATE = 8000;
const HEADER_BYTES = 44;

/** A playable mono 16-bit WAV of a sine tone: real audio for the checks to upload. */
export function toneWav(seconds: number, hertz: number): Uint8Array {
  const samples = Math.round(seconds * SAMPLE_RATE);
  const wav = Buffer.alloc(HEADER_BYTES + samples * 2);
  wav.write('RIFF', 0);
  wav.writeUInt32LE(36 + samples * 2, 4);
  wav.write('WAVEfmt ', 8);
  wav.writeUInt32LE(16, 16);
  wav.writeUInt16LE(1, 20);
  wav.writeUInt16LE(1, 22);
  wav.writeUInt32LE(SAMPLE_RATE, 24);
  wav.writeUInt32LE(SAMPLE_RATE * 2, 28);
  wav.writeUInt16LE(2, 32);
  wav.writeUInt16LE(16, 34);
  wav.write('data', 36);
  wav.writeUInt32LE(samples * 2, 40);
  for (let i = 0; i < samples; i++) {
    wav.writeInt16LE(Math.round(Math.sin((2 * Math.PI * hertz * i) / SAMPLE_RATE) * 20_000), HEADER_BYTES + i * 2);
  }
  return wav;
}

import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

/** A checksum that grows with the bytes; `digest` tells it in base64, as S3's headers do. */
interface Checksum {
  update(bytes: Uint8Array): void;
  digest(): string;
}

/** Castagnoli's polynomial, reflected: RFC 3720, appendix B.4. */
const CRC32C_POLYNOMIAL = 0x82f63b78;
/** NVM Express base specification 2.0, section 5.2.1.3.4, reflected, in its upper and lower half. */
const CRC64NVME_POLYNOMIAL = [0x9a6c9329, 0xac4bc9b5] as const;

const crc32cTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ CRC32C_POLYNOMIAL : value >>> 1;
  return value >>> 0;
});

const crc64Tables = (() => {
  const [high, low] = [new Uint32Array(256), new Uint32Array(256)];
  for (let byte = 0; byte < 256; byte++) {
    let [h, l] = [0, byte];
    for (let bit = 0; bit < 8; bit++) {
      const odd = l & 1;
      l = ((l >>> 1) | (h << 31)) >>> 0;
      h = h >>> 1;
      if (odd === 0) continue;
      h = (h ^ CRC64NVME_POLYNOMIAL[0]) >>> 0;
      l = (l ^ CRC64NVME_POLYNOMIAL[1]) >>> 0;
    }
    high[byte] = h;
    low[byte] = l;
  }
  return { high, low };
})();

function base64Of(...words: readonly number[]): string {
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => bytes.writeUInt32BE(word >>> 0, index * 4));
  return bytes.toString('base64');
}

function crc32Checksum(): Checksum {
  let value = 0;
  return {
    update: (bytes) => void (value = crc32(bytes, value)),
    digest: () => base64Of(value),
  };
}

function crc32cChecksum(): Checksum {
  let value = 0xffffffff;
  return {
    update(bytes) {
      for (const byte of bytes) value = (value >>> 8) ^ (crc32cTable[(value ^ byte) & 0xff] ?? 0);
    },
    digest: () => base64Of(~value),
  };
}

function crc64Checksum(): Checksum {
  let [high, low] = [0xffffffff, 0xffffffff];
  return {
    update(bytes) {
      for (const byte of bytes) {
        const index = (low ^ byte) & 0xff;
        low = ((low >>> 8) | (high << 24)) ^ (crc64Tables.low[index] ?? 0);
        high = (high >>> 8) ^ (crc64Tables.high[index] ?? 0);
      }
    },
    digest: () => base64Of(~high, ~low),
  };
}

function hashed(algorithm: string): Checksum {
  const hash = createHash(algorithm);
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('base64') };
}

/** The algorithms of R2, by the end of their `x-amz-checksum-…` header; and how many bytes a value has. */
export const checksumAlgorithms: Readonly<Record<string, { readonly bytes: number; start(): Checksum }>> = {
  crc32: { bytes: 4, start: crc32Checksum },
  crc32c: { bytes: 4, start: crc32cChecksum },
  crc64nvme: { bytes: 8, start: crc64Checksum },
  sha1: { bytes: 20, start: () => hashed('sha1') },
  sha256: { bytes: 32, start: () => hashed('sha256') },
};

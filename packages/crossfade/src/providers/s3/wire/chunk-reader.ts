import { BadAnswer } from './answer-head.ts';

/** Reads a body in chunks, wherever it is cut. */
export interface ChunkReader {
  /** Takes what came. Answers with how many bytes of it were the body's once that is whole, with `null` before. */
  take(bytes: Buffer): number | null;
}

const LINE_FEED = 10;
const SIZE = /^([0-9a-f]{1,12})[ \t]*(?:;.*)?$/i;
/** Of a chunk's size with its extensions, or of a trailer, bytes. */
const LONGEST_LINE = 4096;

/**
 * `keep` is told of each piece of the body, which it has to copy.
 * @see https://www.rfc-editor.org/rfc/rfc9112#section-7.1
 */
export function createChunkReader(keep: (piece: Buffer) => void): ChunkReader {
  let reading: 'size' | 'data' | 'end-of-data' | 'trailer' | 'nothing' = 'size';
  let missing = 0;
  /** What came of a line that is not whole. */
  let begun = '';

  function takeLine(line: string): void {
    if (reading === 'trailer') reading = line === '' ? 'nothing' : 'trailer';
    else if (reading === 'end-of-data') {
      if (line !== '') throw new BadAnswer('a chunk that is longer than it says');
      reading = 'size';
    } else {
      const [, size] = SIZE.exec(line) ?? [];
      if (size === undefined) throw new BadAnswer(`a chunk of the size ${JSON.stringify(line.slice(0, 40))}`);
      missing = Number.parseInt(size, 16);
      reading = missing === 0 ? 'trailer' : 'data';
    }
  }

  return {
    take(bytes) {
      let at = 0;
      while (at < bytes.byteLength && reading !== 'nothing') {
        if (reading === 'data') {
          const piece = bytes.subarray(at, at + missing);
          keep(piece);
          at += piece.byteLength;
          missing -= piece.byteLength;
          if (missing === 0) reading = 'end-of-data';
          continue;
        }
        const end = bytes.indexOf(LINE_FEED, at);
        begun += bytes.toString('latin1', at, end === -1 ? bytes.byteLength : end);
        if (begun.length > LONGEST_LINE)
          throw new BadAnswer(`a line of more than ${LONGEST_LINE} bytes among the chunks`);
        if (end === -1) return null;
        if (!begun.endsWith('\r')) throw new BadAnswer('a line among the chunks that ends in no CR LF');
        at = end + 1;
        takeLine(begun.slice(0, -1));
        begun = '';
      }
      return reading === 'nothing' ? at : null;
    },
  };
}

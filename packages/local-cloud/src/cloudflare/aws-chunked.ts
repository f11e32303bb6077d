import { Transform } from 'node:stream';
import { S3Failure } from './s3-failure.ts';

/** No header of a frame and no trailer comes near it: AWS's own are below 200 bytes. */
const LONGEST_LINE_BYTES = 8192;
const CRLF = Buffer.from('\r\n');

/**
 * Takes the frames off a body of `Content-Encoding: aws-chunked` and hands on what they hold. What follows the last
 * frame goes to `onTrailer`. @throws S3Failure (as the stream's error) for a body that is not framed so, or ends early.
 *
 * The format is AWS's: https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 */
export function unframed(onTrailer: (name: string, value: string) => void): Transform {
  let line = Buffer.alloc(0);
  let reading: 'size' | 'bytes' | 'end of frame' | 'trailer' | 'nothing more' = 'size';
  let left = 0;

  function takeLine(text: string): void {
    if (reading === 'size') {
      const size = /^([0-9a-f]{1,8})(?:;.*)?$/i.exec(text)?.[1];
      if (size === undefined) throw malformed('a frame does not begin with its size');
      left = Number.parseInt(size, 16);
      reading = left === 0 ? 'trailer' : 'bytes';
    } else if (reading === 'end of frame') {
      if (text !== '') throw malformed('a frame is longer than it says');
      reading = 'size';
    } else if (text === '') reading = 'nothing more';
    else {
      const colon = text.indexOf(':');
      if (colon < 1) throw malformed('a trailer has no name');
      onTrailer(text.slice(0, colon).trim().toLowerCase(), text.slice(colon + 1).trim());
    }
  }

  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      let at = 0;
      try {
        while (at < chunk.length) {
          if (reading === 'nothing more') throw malformed('bytes follow the last frame');
          if (reading === 'bytes') {
            const piece = chunk.subarray(at, at + left);
            left -= piece.length;
            at += piece.length;
            if (left === 0) reading = 'end of frame';
            this.push(piece);
            continue;
          }
          // A line may be cut anywhere, between its CR and LF as well.
          const before = line.length;
          line = Buffer.concat([line, chunk.subarray(at, at + LONGEST_LINE_BYTES)]);
          const end = line.indexOf(CRLF);
          if (end < 0) {
            if (line.length >= LONGEST_LINE_BYTES) throw malformed('a line does not end');
            at = chunk.length;
            continue;
          }
          at += end + CRLF.length - before;
          const text = line.subarray(0, end).toString('latin1');
          line = Buffer.alloc(0);
          takeLine(text);
        }
        done();
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
    flush(done) {
      // Some clients leave the empty line behind the last frame out.
      const over = reading === 'nothing more' || (reading === 'trailer' && line.length === 0);
      done(over ? null : new S3Failure(400, 'IncompleteBody', 'The aws-chunked body ends before its last frame.'));
    },
  });
}

function malformed(what: string): S3Failure {
  return new S3Failure(400, 'InvalidRequest', `The aws-chunked body is malformed: ${what}.`);
}

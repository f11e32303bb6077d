import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { unframed } from './aws-chunked.ts';
import { checksumAlgorithms } from './checksums.ts';
import { S3Failure } from './s3-failure.ts';

/** What a body has to prove once it is read: one digest, and what it is compared with. */
interface Proof {
  readonly update: (bytes: Uint8Array) => void;
  /** @throws S3Failure */
  readonly prove: () => void;
}

const CHECKSUM = 'x-amz-checksum-';
const TRAILER_PAYLOAD = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

export interface UploadPayload {
  /** Bytes without their frames; `null` where the client did not say. */
  readonly length: number | null;
  /** The checksum headers that hold for the object: what the answer tells back. */
  readonly checksums: Readonly<Record<string, string>>;
  /**
   * The bytes without their frames. The last of them are held back until everything is proven, so that whoever stores
   * the stream never has the whole of a wrong one. Errors are S3Failures.
   */
  read(): Readable;
}

/**
 * The body of a request as R2 reads it: framed or not, with each checksum that its headers, its query (presigned links
 * carry them there) or its trailer name. @throws S3Failure
 */
export function uploadPayload(request: IncomingMessage, query: URLSearchParams): UploadPayload {
  const { headers } = request;
  const payloadHash = String(headers['x-amz-content-sha256'] ?? '');
  // Told by who tried: https://github.com/cloudflare/cloudflare-docs/issues/6133; signed frames work nowhere in R2.
  if (payloadHash.startsWith('STREAMING-') && payloadHash !== TRAILER_PAYLOAD)
    throw new S3Failure(501, 'NotImplemented', `${payloadHash} not implemented`);
  const framed = payloadHash === TRAILER_PAYLOAD || codingsOf(headers['content-encoding']).includes('aws-chunked');
  const length = framed ? headers['x-amz-decoded-content-length'] : headers['content-length'];
  if (framed && length === undefined)
    throw new S3Failure(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');

  const told: Record<string, string> = {};
  const proofs: Proof[] = [];
  if (/^[0-9a-f]{64}$/.test(payloadHash)) proofs.push(payloadProof(payloadHash));
  if (headers['content-md5'] !== undefined) proofs.push(md5Proof(headers['content-md5']));
  const trailers = new Map<string, string>();
  for (const algorithm of Object.keys(checksumAlgorithms)) {
    const name = `${CHECKSUM}${algorithm}`;
    const given = headers[name] ?? query.get(name) ?? undefined;
    if (given !== undefined) proofs.push(checksumProof(algorithm, () => String(given), told));
    else if (namesIn(headers['x-amz-trailer']).includes(name))
      proofs.push(checksumProof(algorithm, () => trailers.get(name) ?? '', told));
  }
  return {
    length: length === undefined ? null : Number(length),
    checksums: told,
    read() {
      const proven = provenBytes(proofs, framed ? Number(length) : null);
      if (!framed) return request.pipe(proven);
      const frames = unframed((name, value) => trailers.set(name, value));
      frames.once('error', (error) => proven.destroy(error));
      return request.pipe(frames).pipe(proven);
    },
  };
}

const namesIn = (header: string | string[] | undefined): string[] =>
  String(header ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());

/** The codings of a Content-Encoding, in order. */
export const codingsOf = (header: string | undefined): string[] => namesIn(header).filter((name) => name !== '');

function provenBytes(proofs: readonly Proof[], length: number | null): Transform {
  let held: Buffer | null = null;
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      for (const proof of proofs) proof.update(chunk);
      const before = held;
      held = chunk;
      done(null, before);
    },
    flush(done) {
      try {
        if (length !== null && bytes !== length)
          throw new S3Failure(400, 'IncompleteBody', `The body has ${bytes} bytes where ${length} were announced.`);
        for (const proof of proofs) proof.prove();
        done(null, held);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
}

function payloadProof(expected: string): Proof {
  const hash = createHash('sha256');
  return {
    update: (bytes) => void hash.update(bytes),
    prove() {
      if (hash.digest('hex') === expected) return;
      const message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
      throw new S3Failure(400, 'XAmzContentSHA256Mismatch', message);
    },
  };
}

function md5Proof(given: string | string[]): Proof {
  const expected = digestOf(String(given), 16);
  const hash = createHash('md5');
  return {
    update: (bytes) => void hash.update(bytes),
    prove: () => compare('MD5', expected, hash.digest()),
  };
}

function checksumProof(algorithm: string, expected: () => string, told: Record<string, string>): Proof {
  const known = checksumAlgorithms[algorithm];
  if (known === undefined) throw new Error(`no checksum ${algorithm}`);
  const checksum = known.start();
  return {
    update: (bytes) => checksum.update(bytes),
    prove() {
      const actual = checksum.digest();
      compare(algorithm.toUpperCase(), digestOf(expected(), known.bytes), Buffer.from(actual, 'base64'));
      told[`${CHECKSUM}${algorithm}`] = actual;
    },
  };
}

/** @throws S3Failure for what is no base64 of that many bytes. */
function digestOf(text: string, bytes: number): Buffer {
  const digest = Buffer.from(text, 'base64');
  if (digest.length !== bytes || digest.toString('base64') !== text)
    throw new S3Failure(400, 'InvalidDigest', 'The checksum or Content-MD5 you specified is not valid.');
  return digest;
}

function compare(algorithm: string, expected: Buffer, actual: Buffer): void {
  if (expected.equals(actual)) return;
  const lines = [
    `The ${algorithm} checksum you specified did not match what we received.`,
    `You provided a ${algorithm} checksum with value: ${expected.toString('hex')}`,
    `Actual ${algorithm} was: ${actual.toString('hex')}`,
  ];
  throw new S3Failure(400, 'BadDigest', lines.join('\n'));
}

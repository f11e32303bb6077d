import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { copyObject, send, type S3Bucket } from './s3-client.ts';

/** What Sippy of one bucket reads from and writes to. */
export interface Sippy {
  readonly from: S3Bucket;
  readonly to: S3Bucket;
}

/**
 * All that goes along into R2: "Only user-defined metadata that is prefixed by x-amz-meta- in the HTTP response will be
 * migrated. Remaining metadata will be omitted." (https://developers.cloudflare.com/r2/data-migration/sippy/)
 */
const isKept = (name: string): boolean => name.startsWith('x-amz-meta-');
const SERVED = new Set(['content-type', 'content-length', 'content-range', 'accept-ranges', 'etag', 'last-modified']);

/**
 * Answers a GET or HEAD of an object that the bucket lacks: served from the source, and by a GET copied. `false`, with
 * nothing said, where the source lacks it too.
 *
 * Known to differ from Sippy: it is copied before it is served and not meanwhile, and one GET is enough at any size.
 */
export async function answerFromSource(
  { from, to }: Sippy,
  key: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<boolean> {
  const method = request.method === 'HEAD' ? 'HEAD' : 'GET';
  const { range } = request.headers;
  const found = await send(from, method, key, range === undefined ? {} : { headers: { range } });
  if (found.statusCode >= 400) await found.body.dump();
  if (found.statusCode === 404) return false;
  if (found.statusCode >= 400) {
    // By hand, as no document says what a source that refuses looks like.
    response.writeHead(502, { 'content-type': 'application/xml' });
    response.end('<Error><Code>InternalError</Code><Message>The source could not be read.</Message></Error>');
    return true;
  }
  if (method === 'GET') {
    try {
      await copyObject(from, to, key, isKept);
    } catch (error) {
      // Whoever asked is served all the same, as at the vendor.
      console.error(`sippy: an object was not copied: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const headers = Object.entries(found.headers).filter(([name]) => isKept(name) || SERVED.has(name));
  response.writeHead(found.statusCode, Object.fromEntries(headers));
  await pipeline(found.body, response);
  return true;
}

import { AwsV4Signer } from 'aws4fetch';
import { attachmentNamed } from './content-disposition.ts';
import type { Env } from './env.ts';
import { encodeStrictly } from './percent-encoding.ts';

/**
 * A link that leads to the bucket itself, past the Worker: bytes cost it nothing then, and it sees none of them.
 * Works on R2's S3 host only, which names the account (not on the media domain).
 */
export async function presign(
  env: Env,
  request: { method: 'GET' | 'PUT'; key: string; contentType?: string; sizeBytes?: number; downloadAs?: string },
  now = Date.now(),
): Promise<{ url: string; expiresAt: string }> {
  const seconds = Number(env.SIGNED_URL_SECONDS);
  // As it is signed, so that it makes no difference whether the other side encodes the path anew or takes it as it came.
  const url = new URL(`${env.R2_S3_URL}/${request.key.split('/').map(encodeStrictly).join('/')}`);
  url.searchParams.set('X-Amz-Expires', String(seconds));
  if (request.downloadAs !== undefined)
    url.searchParams.set('response-content-disposition', attachmentNamed(request.downloadAs));
  const headers: Record<string, string> = {};
  if (request.contentType !== undefined) headers['content-type'] = request.contentType;
  if (request.sizeBytes !== undefined) headers['content-length'] = String(request.sizeBytes);
  const signer = new AwsV4Signer({
    method: request.method,
    url: url.href,
    headers,
    accessKeyId: env.R2_ACCESS_KEY_ID,
    secretAccessKey: env.R2_SECRET_ACCESS_KEY,
    service: 's3',
    region: 'auto',
    signQuery: true,
    // Type and length are bound in, as in our own links.
    allHeaders: true,
    datetime: new Date(now).toISOString().replaceAll(/[-:]|\.\d{3}/g, ''),
  });
  const signed = await signer.sign();
  return { url: signed.url.toString(), expiresAt: new Date(now + seconds * 1000).toISOString() };
}

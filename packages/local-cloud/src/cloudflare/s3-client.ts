import type { Readable } from 'node:stream';
import { XMLParser } from 'fast-xml-parser';
import { request, type Dispatcher } from 'undici';
import * as v from 'valibot';
import { encodePath, encodeQuery, signedHeaders, type S3Keys } from './s3-signing.ts';

/** A bucket of any S3-compatible store, path style. */
export interface S3Bucket extends S3Keys {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
}

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Contents' });
const page = v.object({
  ListBucketResult: v.object({
    IsTruncated: v.optional(v.string(), 'false'),
    NextContinuationToken: v.optional(v.string()),
    Contents: v.optional(v.array(v.object({ Key: v.string() })), []),
  }),
});

/** Loopback is where this cloud's own stores are; elsewhere the vendor wants TLS. */
export const isReachable = (url: string): boolean => /^(https:|http:\/\/(127\.|localhost))/.test(url);

/** One request signed with AWS Signature Version 4. */
export function send(
  to: S3Bucket,
  method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE',
  key: string,
  details: {
    query?: Record<string, string>;
    headers?: Record<string, string>;
    body?: Readable | Buffer | string;
    /** What the signature says of the payload. */
    payload?: string;
  } = {},
): Promise<Dispatcher.ResponseData> {
  const { query = {}, headers = {}, body, payload } = details;
  const { origin, host, pathname } = new URL(to.endpoint);
  const path = `${pathname.replace(/\/$/, '')}/${to.bucket}${key === '' ? '' : `/${encodePath(key)}`}`;
  const search = encodeQuery(Object.entries(query));
  const signed = signedHeaders({ method, host, path, query: search }, to, to.region, payload);
  return request(`${origin}${path}${search === '' ? '' : `?${search}`}`, {
    method,
    headers: { ...headers, ...signed },
    body: body ?? null,
  });
}

/** The answer; what is not wanted is read to its end and told as an error without its text. */
async function wanted(asked: Promise<Dispatcher.ResponseData>): Promise<Dispatcher.ResponseData> {
  const response = await asked;
  if (response.statusCode < 300) return response;
  await response.body.dump();
  throw new Error(`the store answered ${response.statusCode}`);
}

/** Keys in order, a page at a time. */
export async function* keysOf(bucket: S3Bucket, prefix = ''): AsyncGenerator<string> {
  let token: string | undefined;
  do {
    const query = { 'list-type': '2', prefix, ...(token === undefined ? {} : { 'continuation-token': token }) };
    const response = await wanted(send(bucket, 'GET', '', { query }));
    const { ListBucketResult: list } = v.parse(page, parser.parse(await response.body.text()));
    for (const { Key } of list.Contents) yield Key;
    token = list.IsTruncated === 'true' ? list.NextContinuationToken : undefined;
  } while (token !== undefined);
}

export async function exists(bucket: S3Bucket, key: string): Promise<boolean> {
  const response = await send(bucket, 'HEAD', key);
  await response.body.dump();
  return response.statusCode === 200;
}

/**
 * What Super Slurper carries over of an object's headers: its documentation promises "custom object metadata", and not a
 * word of the others. https://developers.cloudflare.com/r2/data-migration/super-slurper/
 */
const isDescription = (name: string): boolean => name.startsWith('x-amz-meta-');

/** Streams one object over, with those of its headers that are to be kept. */
export async function copyObject(
  from: S3Bucket,
  to: S3Bucket,
  key: string,
  isKept: (header: string) => boolean = isDescription,
): Promise<void> {
  const { headers, body } = await wanted(send(from, 'GET', key));
  const kept = Object.entries(headers).filter(([name]) => name === 'content-length' || isKept(name));
  const stored = await wanted(
    send(to, 'PUT', key, { headers: Object.fromEntries(kept.map(([name, value]) => [name, String(value)])), body }),
  );
  await stored.body.dump();
}

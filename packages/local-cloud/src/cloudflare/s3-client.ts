import { createHash, createHmac } from 'node:crypto';
import type { Readable } from 'node:stream';
import { XMLParser } from 'fast-xml-parser';
import { request, type Dispatcher } from 'undici';
import * as v from 'valibot';

/** A bucket of any S3-compatible store, path style. */
export interface S3Bucket {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const parser = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Contents' });
const page = v.object({
  ListBucketResult: v.object({
    IsTruncated: v.optional(v.string(), 'false'),
    NextContinuationToken: v.optional(v.string()),
    Contents: v.optional(v.array(v.object({ Key: v.string() })), []),
  }),
});

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** Loopback is where this cloud's own stores are; elsewhere the vendor wants TLS. */
export const isReachable = (url: string): boolean => /^(https:|http:\/\/(127\.|localhost))/.test(url);

/** One request signed with AWS Signature Version 4; its payload is not part of the signature. */
export function send(
  to: S3Bucket,
  method: 'GET' | 'HEAD' | 'PUT' | 'POST',
  key: string,
  details: { query?: Record<string, string>; headers?: Record<string, string>; body?: Readable | string } = {},
): Promise<Dispatcher.ResponseData> {
  const { query = {}, headers = {}, body } = details;
  const endpoint = new URL(to.endpoint);
  const path = `${endpoint.pathname.replace(/\/$/, '')}/${to.bucket}${key === '' ? '' : `/${key.split('/').map(encode).join('/')}`}`;
  const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const search = Object.entries(query)
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted((a, b) => (a < b ? -1 : 1))
    .join('&');
  const signed = { host: endpoint.host, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD', 'x-amz-date': timestamp };
  const names = Object.keys(signed).join(';');
  const lines = Object.entries(signed).map(([name, value]) => `${name}:${value}`);
  const canonical = [method, path, search, ...lines, '', names, 'UNSIGNED-PAYLOAD'].join('\n');
  const scope = `${timestamp.slice(0, 8)}/${to.region}/s3/aws4_request`;
  const digest = createHash('sha256').update(canonical).digest('hex');
  const [date = '', ...rest] = scope.split('/');
  const signingKey = rest.reduce<Buffer>((secret, part) => hmac(secret, part), hmac(`AWS4${to.secretAccessKey}`, date));
  const signature = hmac(signingKey, ['AWS4-HMAC-SHA256', timestamp, scope, digest].join('\n')).toString('hex');
  const authorization = `AWS4-HMAC-SHA256 Credential=${to.accessKeyId}/${scope}, SignedHeaders=${names}, Signature=${signature}`;
  return request(`${endpoint.origin}${path}${search === '' ? '' : `?${search}`}`, {
    method,
    headers: { ...signed, ...headers, authorization },
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

/** What Super Slurper carries over of an object's headers. */
const isDescription = (name: string): boolean =>
  name.startsWith('x-amz-meta-') || name === 'content-type' || name === 'cache-control';

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

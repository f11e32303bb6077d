import { once } from 'node:events';
import http from 'node:http';
import type { Miniflare } from 'miniflare';
import { startInstance } from './miniflare-instance.ts';
import { createR2Multipart, mayNeedMending, type S3Call } from './r2-multipart.ts';
import { readR2Uploads } from './r2-uploads.ts';
import type { R2Operation } from './runtime-contract.ts';
import { answerFromSource, type Sippy } from './sippy.ts';

const S3_PATH = '/cdn-cgi/local/r2/s3';
const DRAIN_POLL_MS = 20;

/**
 * Answers what a bucket holds, page by page, from inside workerd: the objects' bytes are not read. With rules it
 * deletes what they let expire at a given time and answers with the keys.
 */
const USAGE_WORKER = `export default { async fetch(request, env) {
  const bucket = env[new URL(request.url).searchParams.get('binding')];
  if (request.method === 'POST') {
    const { rules, now } = await request.json();
    const expired = [];
    for (const { prefix, maxAgeSeconds } of rules) {
      let cursor;
      do {
        const page = await bucket.list({ prefix, cursor, limit: 1000 });
        for (const { key, uploaded } of page.objects) if (uploaded.getTime() + maxAgeSeconds * 1000 <= now) expired.push(key);
        cursor = page.truncated ? page.cursor : undefined;
      } while (cursor !== undefined);
    }
    for (let i = 0; i < expired.length; i += 1000) await bucket.delete(expired.slice(i, i + 1000));
    return Response.json({ expired });
  }
  let objects = 0, payloadBytes = 0, metadataBytes = 0, cursor;
  do {
    const page = await bucket.list({ cursor, limit: 1000 });
    for (const object of page.objects) { objects++; payloadBytes += object.size; metadataBytes += object.key.length; }
    cursor = page.truncated ? page.cursor : undefined;
  } while (cursor !== undefined);
  return Response.json({ objects, payloadBytes, metadataBytes });
} }`;

/** The object that a request is for, decoded. */
function keyOf(url: URL): string {
  const [_bucket, ...rest] = url.pathname.slice(S3_PATH.length + 1).split('/');
  return rest.map(decodeURIComponent).join('/');
}

const NO_SUCH_KEY =
  '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>';

/** The vendor's name for an S3 call, as its analytics report it. */
function actionOf(method: string, url: URL, isCopy: boolean): { bucket: string; key: string; action: string } {
  const [bucket = '', ...rest] = url.pathname.slice(S3_PATH.length + 1).split('/');
  const key = rest.join('/');
  const query = url.searchParams;
  if (key === '') {
    if (bucket === '') return { bucket, key, action: 'ListBuckets' };
    if (query.has('delete')) return { bucket, key, action: 'DeleteObjects' };
    if (query.has('uploads')) return { bucket, key, action: 'ListMultipartUploads' };
    return {
      bucket,
      key,
      action:
        method === 'GET'
          ? 'ListObjects'
          : method === 'HEAD'
            ? 'HeadBucket'
            : method === 'PUT'
              ? 'CreateBucket'
              : 'DeleteBucket',
    };
  }
  if (query.has('uploads')) return { bucket, key, action: 'CreateMultipartUpload' };
  if (query.has('uploadId')) {
    const byMethod: Record<string, string> = {
      PUT: isCopy ? 'UploadPartCopy' : 'UploadPart',
      POST: 'CompleteMultipartUpload',
      DELETE: 'AbortMultipartUpload',
      GET: 'ListParts',
    };
    return { bucket, key, action: byMethod[method] ?? method };
  }
  const byMethod: Record<string, string> = {
    GET: 'GetObject',
    HEAD: 'HeadObject',
    PUT: isCopy ? 'CopyObject' : 'PutObject',
    DELETE: 'DeleteObject',
  };
  return { bucket, key, action: byMethod[method] ?? method };
}

interface Backend {
  readonly mf: Miniflare;
  readonly url: URL;
  readonly buckets: readonly string[];
  inFlight: number;
}

export interface R2Gateway {
  readonly endpoint: string;
  /** Serves exactly these buckets from the next request on. */
  setBuckets(names: readonly string[]): Promise<void>;
  /** From the next request on, what the bucket lacks is asked for there and copied; `null` ends it. */
  setSippy(bucket: string, sippy: Sippy | null): void;
  usage(bucket: string): Promise<{ objects: number; payloadBytes: number; metadataBytes: number }>;
  /** Deletes what the rules let expire at that time (epoch ms), and answers with the keys. */
  expire(
    bucket: string,
    rules: readonly { readonly prefix: string; readonly maxAgeSeconds: number }[],
    now: number,
  ): Promise<readonly string[]>;
  close(): Promise<void>;
}

/**
 * R2's S3 API on a port that stays, in front of the simulator's own. A changed set of buckets is a new instance
 * behind the same port: switched in one assignment, the old one ended when its last request is answered.
 *
 * Known to differ from R2: bucket lifecycle and CORS calls answer 501 here (the API v4 has them), ssec keys are
 * ignored, and the storage class is not kept. What it mends of the simulator's multipart uploads: r2-multipart.ts. Sippy
 * acts for S3 only, not for a Worker's binding, which leads past here.
 */
export async function startR2Gateway(
  folder: string,
  credentials: { accessKeyId: string; secretAccessKey: string },
  log: (operation: R2Operation) => void,
): Promise<R2Gateway> {
  let current: Backend | null = null;
  const sippies = new Map<string, Sippy>();
  let generation = 0;
  const multipart = createR2Multipart(readR2Uploads(folder));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

  /** Answers with what R2 would, once the simulator's answer is there. Whatever breaks on the way, breaks it off. */
  async function mend(
    call: S3Call,
    answer: http.IncomingMessage,
    { url }: Backend,
    response: http.ServerResponse,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of answer) chunks.push(Buffer.from(chunk));
    const given = {
      status: answer.statusCode ?? 502,
      body: Buffer.concat(chunks).toString(),
      etag: answer.headers.etag,
    };
    const simulator = { endpoint: `${url.origin}${S3_PATH}`, region: 'auto', bucket: call.bucket, ...credentials };
    const { status, body, etag } = await multipart.mend(
      { ...call, key: decodeURIComponent(call.key) },
      given,
      simulator,
    );
    const {
      connection: _connection,
      'keep-alive': _keepAlive,
      'transfer-encoding': _encoding,
      ...headers
    } = answer.headers;
    if (etag !== undefined) headers.etag = etag;
    response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body);
  }
  const server = http.createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://r2');
    const { bucket, key, action } = actionOf(
      request.method ?? 'GET',
      url,
      request.headers['x-amz-copy-source'] !== undefined,
    );
    const backend = current;
    if (backend === null || !url.pathname.startsWith(S3_PATH)) {
      response.writeHead(404, { 'content-type': 'application/xml' });
      response.end(
        '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist.</Message></Error>',
      );
      return;
    }
    backend.inFlight++;
    let bytes = 0;
    // Of a call that is short, and of which the simulator may know too little.
    const sent: Buffer[] = [];
    response.once('close', () => {
      backend.inFlight--;
      log({ at: Date.now(), bucket, action, bytes });
    });
    // The Host header and the path are signed: both are passed on as they came.
    const upstream = http.request(
      {
        host: '127.0.0.1',
        port: backend.url.port,
        method: request.method,
        path: request.url,
        headers: request.headers,
        agent,
      },
      (answer) => {
        const sippy = sippies.get(bucket);
        // Refused before with 403 when it was not signed as it should be.
        if (answer.statusCode === 404 && sippy !== undefined && /^(Get|Head)Object$/.test(action)) {
          answer.resume();
          answerFromSource(sippy, keyOf(url), request, response).then(
            (answered) => {
              if (!answered) response.writeHead(404, { 'content-type': 'application/xml' }).end(NO_SUCH_KEY);
            },
            () => response.destroy(),
          );
          return;
        }
        answer.on('data', (chunk: Buffer) => (bytes += chunk.byteLength));
        answer.once('error', () => response.destroy());
        if (mayNeedMending(action)) {
          const call = { action, method: request.method ?? 'GET', bucket, key, query: url.searchParams };
          const body = Buffer.concat(sent).toString();
          mend({ ...call, host: request.headers.host ?? '', body }, answer, backend, response).catch(() =>
            response.destroy(),
          );
          return;
        }
        const { connection: _connection, 'keep-alive': _keepAlive, ...headers } = answer.headers;
        response.writeHead(answer.statusCode ?? 502, headers);
        answer.pipe(response);
      },
    );
    upstream.once('error', () => (response.headersSent ? response.destroy() : response.writeHead(502).end()));
    response.once('close', () => {
      if (!response.writableFinished) upstream.destroy();
    });
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (action === 'CompleteMultipartUpload') sent.push(chunk);
    });
    request.pipe(upstream);
  });
  server.keepAliveTimeout = 65_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the R2 gateway has no port');

  const retire = async (backend: Backend): Promise<void> => {
    while (backend.inFlight > 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    await backend.mf.dispose();
  };
  const ask = async (bucket: string, init: { method?: string; body?: string } = {}): Promise<unknown> => {
    const index = current?.buckets.indexOf(bucket) ?? -1;
    if (current === null || index < 0) throw new Error(`no bucket ${bucket}`);
    return (await current.mf.dispatchFetch(`http://usage/?binding=B${index}`, init)).json();
  };
  return {
    endpoint: `http://127.0.0.1:${address.port}${S3_PATH}`,
    async setBuckets(names) {
      const old = current;
      if (names.length === 0) current = null;
      else {
        const r2Buckets = Object.fromEntries(
          names.map((id, index) => [`B${index}`, { id, s3Credentials: credentials }]),
        );
        const worker = {
          name: `r2-gateway-${++generation}`,
          modules: true,
          compatibilityDate: '2026-07-01',
          script: USAGE_WORKER,
          r2Buckets,
        };
        const { mf, url } = await startInstance(folder, worker.name, { workers: [worker] });
        current = { mf, url, buckets: names, inFlight: 0 };
      }
      if (old !== null) await retire(old);
    },
    setSippy(bucket, sippy) {
      if (sippy === null) sippies.delete(bucket);
      else sippies.set(bucket, sippy);
    },
    async usage(bucket) {
      return (await ask(bucket)) as { objects: number; payloadBytes: number; metadataBytes: number };
    },
    async expire(bucket, rules, now) {
      const answer = await ask(bucket, { method: 'POST', body: JSON.stringify({ rules, now }) });
      return (answer as { expired: string[] }).expired;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
      agent.destroy();
      await current?.mf.dispose();
      current = null;
    },
  };
}

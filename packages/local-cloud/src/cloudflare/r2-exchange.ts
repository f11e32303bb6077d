import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { S3_PATH, type R2Action } from './r2-actions.ts';
import { forwarded, keyOf, refuseUnknown, type Forwarded } from './r2-forwarding.ts';
import { storedKey, type KeyNames } from './r2-key-names.ts';
import { withAskedKeys, withShownKeys, withStoredKeys } from './r2-listed-keys.ts';
import { mayNeedMending, type createR2Multipart } from './r2-multipart.ts';
import { answerObject } from './r2-object-answer.ts';
import { isPermitted } from './r2-permission.ts';
import type { WriteRate } from './r2-write-rate.ts';
import { send, type S3Bucket } from './s3-client.ts';
import { answerFailure, S3Failure } from './s3-failure.ts';
import { isSigned, type S3Keys } from './s3-signing.ts';
import { answerFromSource, type Sippy } from './sippy.ts';
import { uploadPayload, type UploadPayload } from './upload-payload.ts';

/** What makes an object. */
const WRITES = new Set(['PutObject', 'CopyObject', 'CompleteMultipartUpload']);
const STREAMED = new Set(['PutObject', 'UploadPart']);
/** Whose bodies are short XML. */
const DOCUMENTS = new Set(['CompleteMultipartUpload', 'DeleteObjects']);
/** Whose answers name keys. */
const TELLS_KEYS = new Set(['ListObjects', 'DeleteObjects']);

export interface Exchanges {
  readonly keys: S3Keys;
  readonly names: KeyNames;
  readonly rate: WriteRate;
  readonly multipart: ReturnType<typeof createR2Multipart>;
  readonly agent: http.Agent;
}

/** One request of the gateway. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly asked: R2Action;
  /** Where the simulator listens. */
  readonly simulator: URL;
  readonly sippy: Sippy | undefined;
  /** Told of all that comes and goes, in bytes. */
  readonly count: (bytes: number) => void;
}

/**
 * Answers a request as R2 does, by the simulator. It is judged here, signature and all, and goes on under the key that
 * R2 stores, unframed, and signed anew: what the simulator would have judged differently. A request whose signature does
 * not hold goes on as it came, since the simulator has R2's words for each way to be wrong.
 */
export function exchange(common: Exchanges, one: Exchange): void {
  const { request, response, url, asked } = one;
  const refuse = (error: unknown): void => {
    request.resume();
    if (!(error instanceof S3Failure)) console.error(`r2: ${error instanceof Error ? error.stack : String(error)}`);
    if (response.headersSent) response.destroy();
    else
      answerFailure(response, error instanceof S3Failure ? error : new S3Failure(500, 'InternalError', 'see the log'));
  };
  try {
    const key = keyOf(asked.rawKey);
    const target = { ...asked, key };
    if (!isSigned(request.headers, url.searchParams) || !isPermitted(request, url, common.keys, target))
      return passOn(common, one);
    refuseUnknown(asked, request.method ?? 'GET', request, url);
    const payload =
      DOCUMENTS.has(asked.action) || STREAMED.has(asked.action) ? uploadPayload(request, url.searchParams) : null;
    if (payload?.length === null && STREAMED.has(asked.action))
      throw new S3Failure(411, 'MissingContentLength', 'You must provide the Content-Length HTTP header.');
    const giveBack = WRITES.has(asked.action) ? common.rate.take(asked.bucket, storedKey(key)) : () => {};
    const call: Call = { ...one, key, on: forwarded(request, url, target, common.keys), payload, giveBack, refuse };
    if (payload === null || STREAMED.has(asked.action)) forwardStream(common, call);
    else forwardDocument(common, call, payload).catch(refuse);
  } catch (error) {
    refuse(error);
  }
}

interface Call extends Exchange {
  /** As the client wrote it. */
  readonly key: string;
  readonly on: Forwarded;
  readonly payload: UploadPayload | null;
  readonly giveBack: () => void;
  readonly refuse: (error: unknown) => void;
}

function ask({ agent }: Exchanges, { simulator, request }: Exchange, path: string, headers: http.OutgoingHttpHeaders) {
  return http.request({ host: '127.0.0.1', port: simulator.port, method: request.method, path, headers, agent });
}

/** As it came: Host header and path are signed. What the simulator takes all the same was judged wrongly here. */
function passOn(common: Exchanges, one: Exchange): void {
  const { request, response, count } = one;
  const upstream = ask(common, one, request.url ?? '/', request.headers);
  upstream.once('response', (answer) => {
    if (isSigned(request.headers, one.url.searchParams) && (answer.statusCode ?? 500) < 400)
      console.error(`r2: the simulator took a signature that the gateway refused: ${one.asked.action}`);
    answer.on('data', (chunk: Buffer) => count(chunk.byteLength));
    answer.once('error', () => response.destroy());
    response.writeHead(answer.statusCode ?? 502, withoutHops(answer));
    answer.pipe(response);
  });
  endWith(upstream, response);
  request.pipe(upstream);
}

function endWith(upstream: http.ClientRequest, response: ServerResponse): void {
  upstream.once('error', () => {
    if (response.headersSent) response.destroy();
    else response.writeHead(502).end();
  });
  response.once('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
}

function forwardStream(common: Exchanges, call: Call): void {
  const { request, response, on, payload, count, giveBack, refuse } = call;
  const length = payload === null ? {} : { 'content-length': String(payload.length) };
  const upstream = ask(common, call, pathOf(on), { ...on.headers, ...length });
  upstream.once('response', (answer) => {
    answerWith(common, call, answer).catch(() => response.destroy());
  });
  if (payload === null) {
    request.resume();
    endWith(upstream, response);
    upstream.end();
    return;
  }
  const bytes = payload.read();
  bytes.once('error', (error) => {
    // The upstream lacks the last bytes: what it would have stored is not stored.
    upstream.destroy();
    giveBack();
    if (!response.headersSent) refuse(error);
  });
  upstream.once('error', () => {
    if (bytes.errored === null) response.destroy();
  });
  response.once('close', () => {
    if (!response.writableFinished) upstream.destroy();
  });
  request.on('data', (chunk: Buffer) => count(chunk.byteLength));
  bytes.pipe(upstream);
}

async function forwardDocument(common: Exchanges, call: Call, payload: UploadPayload): Promise<void> {
  const { response, on, asked, count, giveBack } = call;
  const given = await text(payload.read()).catch((error: unknown) => {
    giveBack();
    throw error;
  });
  count(Buffer.byteLength(given));
  const { body, asked: keys } = asked.action === 'DeleteObjects' ? withStoredKeys(given) : { body: given, asked: [] };
  const upstream = ask(common, call, pathOf(on), { ...on.headers, 'content-length': Buffer.byteLength(body) });
  upstream.once('response', (answer) => {
    answerWith(common, call, answer, body, keys).catch(() => response.destroy());
  });
  endWith(upstream, response);
  upstream.end(body);
}

const pathOf = ({ path, query }: Forwarded): string => {
  const search = query.toString();
  return search === '' ? path : `${path}?${search}`;
};

/** R2's answer, made of the simulator's. */
async function answerWith(
  common: Exchanges,
  call: Call,
  answer: IncomingMessage,
  body = '',
  askedKeys: readonly string[] = [],
): Promise<void> {
  const { request, response, url, asked, key, on, sippy, payload, count } = call;
  const { action, bucket } = asked;
  const status = answer.statusCode ?? 502;
  const done = status < 300;
  if (!done) call.giveBack();
  // Refused before with 403 when it was not signed as it should be.
  if (status === 404 && sippy !== undefined && /^(Get|Head)Object$/.test(action)) {
    answer.resume();
    if (await answerFromSource(sippy, key, request, response)) return;
    answerFailure(response, new S3Failure(404, 'NoSuchKey', 'The specified key does not exist.'));
    return;
  }
  const simulator = { endpoint: `${call.simulator.origin}${S3_PATH}`, region: 'auto', bucket, ...common.keys };
  const counted = (): void => void answer.on('data', (chunk: Buffer) => count(chunk.byteLength));
  if (done && /^(Get|Head)Object$/.test(action)) {
    const size = (): Promise<string | undefined> => sizeOf(simulator, storedKey(key));
    return answerObject({ request, query: url.searchParams }, answer, response, { sizeOf: size, counted });
  }
  counted();
  if (!mayNeedMending(action) && !TELLS_KEYS.has(action)) {
    answer.once('error', () => response.destroy());
    if (done && WRITES.has(action)) common.names.note(bucket, key);
    response.writeHead(status, { ...withoutHops(answer), ...(done ? payload?.checksums : {}) });
    answer.pipe(response);
    return;
  }
  let told = { status, body: await text(answer), etag: answer.headers.etag };
  const host = request.headers.host ?? '';
  if (mayNeedMending(action))
    told = await common.multipart.mend(
      { action, method: request.method ?? 'GET', bucket, key: storedKey(key), query: on.query, host, body },
      told,
      simulator,
    );
  if (action === 'ListObjects') told.body = withShownKeys(told.body, bucket, common.names);
  if (action === 'DeleteObjects') told.body = withAskedKeys(told.body, askedKeys);
  if (told.status < 300 && WRITES.has(action)) common.names.note(bucket, key);
  const headers: http.OutgoingHttpHeaders = { ...withoutHops(answer), ...(done ? payload?.checksums : {}) };
  if (told.etag !== undefined) headers['etag'] = told.etag;
  response.writeHead(told.status, { ...headers, 'content-length': Buffer.byteLength(told.body) }).end(told.body);
}

async function sizeOf(simulator: S3Bucket, key: string): Promise<string | undefined> {
  const head = await send(simulator, 'HEAD', key);
  await head.body.dump();
  return head.headers['content-length']?.toString();
}

function withoutHops({ headers }: IncomingMessage): http.OutgoingHttpHeaders {
  const { connection: _connection, 'keep-alive': _keepAlive, 'transfer-encoding': _encoding, ...kept } = headers;
  return kept;
}

import { ask, codeIn, countIn, isAnswer, listIn, textIn, unreachable, type Answer } from './api-request.ts';
import { refusal, StudioError } from './studio-error.ts';
import type { Begun, Transport } from './upload-run.ts';

/** Above this size a file goes in parts, so that it can be paused and go on, bytes. */
export const RESUMABLE_BYTES = 8 * 1024 * 1024;
/** Where nothing moves for so long the connection is dead, whatever it says of itself, ms. */
const STALLED_MS = 60_000;

/** What the Worker answered to `sign-upload`. */
export function readBegun(signed: Answer, contentType: string): Begun {
  const { multipart } = signed;
  const key = textIn(signed, 'key');
  const expiresAt = textIn(signed, 'expiresAt');
  if (isAnswer(multipart))
    return {
      kind: 'parts',
      key,
      expiresAt,
      uploadId: textIn(multipart, 'uploadId'),
      partSizeBytes: countIn(multipart, 'partSizeBytes'),
      parts: countIn(multipart, 'parts'),
      done: [],
    };
  const given = isAnswer(signed['headers']) ? signed['headers'] : { 'content-type': contentType };
  const headers = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, String(value)]));
  return { kind: 'single', key, expiresAt, url: textIn(signed, 'url'), headers };
}

/** The Worker's side of an upload. The token is asked for each time: it may be another after a new sign-in. */
export function createTransport(endpoint: string, tokenOf: () => string): Transport {
  const post = (path: string, body: unknown): Promise<Answer> =>
    ask(`${endpoint}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${tokenOf()}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  return {
    async begin(file, contentType) {
      const facts = { filename: file.name, contentType, sizeBytes: file.size };
      const resumable = file.size > RESUMABLE_BYTES ? { resumable: true } : {};
      return readBegun(await post('/api/sign-upload', { ...facts, ...resumable }), contentType);
    },
    async signParts(key, uploadId, parts) {
      const signed = listIn(await post('/api/sign-parts', { key, uploadId, parts }), 'parts');
      return signed.map((one) => ({ part: countIn(one, 'part'), url: textIn(one, 'url') }));
    },
    send: put,
    async arrived(key) {
      await post('/api/complete-upload', { key });
    },
    async complete(key, uploadId, parts) {
      await post('/api/complete-upload', { key, uploadId, parts });
    },
    async abort(key, uploadId) {
      await post('/api/abort-upload', { key, ...(uploadId === null ? {} : { uploadId }) });
    },
  };
}

/** The file may have been moved or changed since it was chosen: to the request that looks like a broken network. */
async function whyBroken(body: Blob): Promise<StudioError> {
  const readable = await body
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );
  return readable ? unreachable() : new StudioError('FILE_UNREADABLE');
}

/** The ETag that an answer of the Worker's holds; `null` for a bucket's, whose body is empty. @throws StudioError */
export function readSent(status: number, text: string, retryAfter: string | null): string | null {
  let body: unknown = null;
  try {
    body = JSON.parse(text);
  } catch {
    // A gateway's own page, or nothing: the status says enough.
  }
  if (status < 200 || status > 299) throw refusal(status, codeIn(body), retryAfter);
  return isAnswer(body) ? textIn(body, 'etag') : null;
}

/** `fetch` cannot tell how far an upload is; XMLHttpRequest can. */
const put: Transport['send'] = (url, body, headers, onProgress, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = (): void => request.abort();
    let stalled = false;
    let timer = 0;
    const watch = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(() => {
        stalled = true;
        request.abort();
      }, STALLED_MS);
    };
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', (event) => {
      watch();
      onProgress(event.loaded);
    });
    request.addEventListener('load', () => {
      try {
        resolve(readSent(request.status, request.responseText, request.getResponseHeader('retry-after')));
      } catch (error) {
        reject(error);
      }
    });
    request.addEventListener('error', () => void whyBroken(body).then(reject));
    request.addEventListener('abort', () =>
      reject(stalled ? new StudioError('UNREACHABLE') : new DOMException('stopped', 'AbortError')),
    );
    request.addEventListener('loadend', () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
    });
    if (signal.aborted) return reject(new DOMException('stopped', 'AbortError'));
    signal.addEventListener('abort', stop, { once: true });
    watch();
    request.send(body);
  });

import { messageFor, OFFLINE } from './messages.ts';
import { StudioError } from './studio-error.ts';
import { RESUMABLE_BYTES, type Transport, type Unfinished } from './upload-queue.ts';
import type { StudioConfig } from './studio-config.ts';

export interface Session {
  readonly token: string;
  readonly email: string;
}
export interface MediaItem {
  readonly id: string;
  readonly key: string;
  readonly title: string;
  readonly sizeBytes: number | null;
  readonly isProOnly: boolean;
}

/** Longer than this nobody waits without being told, ms: a quota that is used up is no hiccup. */
const LONGEST_WAIT_MS = 60_000;

/** The refusal that an answer holds. */
function refusal(status: number, code: string, retryAfter: string | null): StudioError {
  const seconds = retryAfter === null ? null : Number(retryAfter);
  const retryAfterMs = seconds === null || Number.isNaN(seconds) ? null : seconds * 1000;
  const passing = status === 408 || status === 429 || status >= 500 || code === 'SIGNATURE_EXPIRED';
  return new StudioError(code, messageFor(code, seconds), {
    mayPass: passing && (retryAfterMs ?? 0) <= LONGEST_WAIT_MS,
    retryAfterMs,
  });
}

type Row = { id: string; key: string; title: string | null; sizeBytes: number | null; isProOnly?: boolean };
const toItem = (row: Row): MediaItem => ({
  id: row.id,
  key: row.key,
  title: row.title ?? row.key.slice(row.key.lastIndexOf('/') + 1),
  sizeBytes: row.sizeBytes,
  isProOnly: row.isProOnly ?? false,
});

async function ask(url: string, init: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(url, init).catch(() => {
    throw new StudioError('OFFLINE', OFFLINE);
  });
  const body = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  if (response.ok) return body;
  const code = (body['error'] as { code?: string } | undefined)?.code ?? String(body['error_code'] ?? response.status);
  if (code === 'invalid_credentials') throw new StudioError(code, 'This email and password do not fit.');
  throw refusal(response.status, code, response.headers.get('retry-after'));
}

/** Signs in at Supabase Auth; everything else the studio asks the Worker alone. */
export async function signIn(config: StudioConfig, email: string, password: string): Promise<Session> {
  const body = await ask(`${config.supabaseUrl}/auth/v1/token?grant_type=password`, {
    method: 'POST',
    headers: { apikey: config.supabaseAnonKey, 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  return { token: String(body['access_token']), email };
}

export function createMediaApi(config: StudioConfig, session: Session) {
  const headers = { authorization: `Bearer ${session.token}` };
  const get = (path: string): Promise<Record<string, unknown>> => ask(`${config.workerEndpoint}${path}`, { headers });
  return {
    library: async (): Promise<MediaItem[]> => ((await get('/api/library'))['tracks'] as Row[]).map(toItem),
    uploads: async (): Promise<MediaItem[]> => ((await get('/api/uploads'))['uploads'] as Row[]).map(toItem),
    /** A link that plays for a few minutes; asked for each time. */
    playUrl: async (key: string): Promise<string> =>
      String((await get(`/api/sign-file?key=${encodeURIComponent(key)}`))['url']),
    transport: createTransport(config.workerEndpoint, headers),
  };
}
export type MediaApi = ReturnType<typeof createMediaApi>;

/** The Worker's side of an upload. */
function createTransport(endpoint: string, headers: Record<string, string>): Transport {
  const post = (path: string, body: unknown): Promise<Record<string, unknown>> =>
    ask(`${endpoint}${path}`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  return {
    async begin(file, contentType) {
      const resumable = file.size > RESUMABLE_BYTES;
      const signed = await post('/api/sign-upload', {
        filename: file.name,
        contentType,
        sizeBytes: file.size,
        ...(resumable ? { resumable } : {}),
      });
      const key = String(signed['key']);
      const multipart = signed['multipart'] as Pick<Unfinished, 'uploadId' | 'partSizeBytes' | 'parts'> | undefined;
      if (multipart === undefined)
        return { kind: 'single', key, url: String(signed['url']), headers: { 'content-type': contentType } };
      return { kind: 'parts', key, ...multipart, done: [] };
    },
    async signParts(key, uploadId, parts) {
      return (await post('/api/sign-parts', { key, uploadId, parts }))['parts'] as { part: number; url: string }[];
    },
    send: put,
    async complete(key, uploadId, parts) {
      await post('/api/complete-upload', { key, uploadId, parts });
    },
    async abort(key, uploadId) {
      await post('/api/abort-upload', { key, ...(uploadId === null ? {} : { uploadId }) });
    },
  };
}

/** `fetch` cannot tell how far an upload is; XMLHttpRequest can. */
const put: Transport['send'] = (url, body, headers, onProgress, signal) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', (event) => onProgress(event.loaded));
    request.addEventListener('error', () => reject(new StudioError('OFFLINE', OFFLINE)));
    request.addEventListener('abort', () => reject(new DOMException('stopped', 'AbortError')));
    request.addEventListener('load', () => {
      const answer = JSON.parse(request.responseText || '{}') as { etag?: string; error?: { code?: string } };
      if (request.status === 201) return resolve(answer.etag ?? '');
      const code = answer.error?.code ?? String(request.status);
      return reject(refusal(request.status, code, request.getResponseHeader('retry-after')));
    });
    signal.addEventListener('abort', () => request.abort());
    request.send(body);
  });

import { messageFor, OFFLINE } from './messages.ts';
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

/** A refusal, with the words for the person and the code for the app. */
export class StudioError extends Error {
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
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
  throw new StudioError(
    code,
    code === 'invalid_credentials' ? 'This email and password do not fit.' : messageFor(code),
  );
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
    async upload(file: File, contentType: string, onProgress: (share: number) => void): Promise<string> {
      const signed = await ask(`${config.workerEndpoint}/api/sign-upload`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ filename: file.name, contentType, sizeBytes: file.size }),
      });
      await put(String(signed['url']), file, contentType, onProgress);
      return String(signed['key']);
    },
  };
}
export type MediaApi = ReturnType<typeof createMediaApi>;

/** `fetch` cannot tell how far an upload is; XMLHttpRequest can. */
function put(url: string, file: File, contentType: string, onProgress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('PUT', url);
    request.setRequestHeader('content-type', contentType);
    request.upload.addEventListener('progress', (event) =>
      onProgress(event.total === 0 ? 1 : event.loaded / event.total),
    );
    request.addEventListener('error', () => reject(new StudioError('OFFLINE', OFFLINE)));
    request.addEventListener('load', () => {
      if (request.status === 201) return resolve();
      const code =
        (JSON.parse(request.responseText || '{}') as { error?: { code?: string } }).error?.code ??
        String(request.status);
      return reject(new StudioError(code, messageFor(code)));
    });
    request.send(file);
  });
}

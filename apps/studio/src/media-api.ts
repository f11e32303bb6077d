import { ask, listIn, textIn, type Answer } from './api-request.ts';
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

/** A track as the lists show it; none without a key, since nothing could be done with it. */
function toItems(row: Answer): MediaItem[] {
  const { key, title, sizeBytes, isProOnly } = row;
  if (typeof key !== 'string') return [];
  return [
    {
      id: textIn(row, 'id'),
      key,
      title: typeof title === 'string' ? title : key.slice(key.lastIndexOf('/') + 1),
      sizeBytes: typeof sizeBytes === 'number' ? sizeBytes : null,
      isProOnly: isProOnly === true,
    },
  ];
}

/** Signs in at Supabase Auth; everything else the studio asks the Worker alone. */
export async function signIn(config: StudioConfig, typed: string, password: string): Promise<Session> {
  // Spelled one way: what an earlier visit left unfinished is kept under it.
  const email = typed.trim().toLowerCase();
  const answer = await ask(`${config.supabaseUrl}/auth/v1/token?grant_type=password`, {
    method: 'POST',
    headers: { apikey: config.supabaseAnonKey, 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  });
  return { token: textIn(answer, 'access_token'), email };
}

/** The token is asked for each time: it is another after a new sign-in. */
export function createMediaApi(endpoint: string, tokenOf: () => string) {
  const get = (path: string): Promise<Answer> =>
    ask(`${endpoint}${path}`, { headers: { authorization: `Bearer ${tokenOf()}` } });
  return {
    library: async (): Promise<MediaItem[]> => listIn(await get('/api/library'), 'tracks').flatMap(toItems),
    uploads: async (): Promise<MediaItem[]> => listIn(await get('/api/uploads'), 'uploads').flatMap(toItems),
    /** A link that plays for a few minutes; asked for each time. */
    playUrl: async (key: string): Promise<string> =>
      textIn(await get(`/api/sign-file?key=${encodeURIComponent(key)}`), 'url'),
  };
}
export type MediaApi = ReturnType<typeof createMediaApi>;

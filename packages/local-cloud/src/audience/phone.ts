import { request } from 'undici';
import type { Random } from './seeded-random.ts';
import type { DeviceUser, Surroundings } from './surroundings.ts';
import type { Failure, Side } from './tally.ts';

const TIMEOUT_MS = 10_000;
/** Share of previews and uploads whose timing is told. */
const TOLD_SHARE = 0.1;
const TOKEN_EARLY_MS = 5 * 60_000;
/** What a scenario's Worker puts on the answers that it spoils. */
const PLANTED_HEADER = 'x-planted-by';

export interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** A scenario's own fault says so in its answer. */
  readonly planted: boolean;
}

/** Where one action of a listener's goes: the address that the name led to, and who answers there. */
export interface Place {
  readonly address: string;
  readonly side: Side;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: Buffer | string;
  readonly expect: readonly number[];
  readonly judge?: (answer: Answer) => string | null;
}

export const unplanted = (reason: string): Failure => ({ reason, planted: false });

/** `ECONNREFUSED`, `UND_ERR_SOCKET`; an abort's code is a number, so its name says more. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** A failed request whose reason is already counted: the rest of the action is left out. */
export class Failed extends Error {
  /** Whether the server said no: then nothing happened. Without that it may have. */
  readonly refused: boolean;

  constructor(reason: string, refused: boolean) {
    super(reason);
    this.refused = refused;
  }
}

const isRefusal = (answer: Answer | null): boolean => answer !== null && answer.status >= 400 && answer.status < 500;

/**
 * One listener's phone: resolves the media name by its own resolver, and asks whoever answers there which side it is.
 * Every request is counted once, from its intended start.
 */
export function createPhone(user: DeviceUser, world: Surroundings) {
  const sides = new Map<string, Side>();
  const host = new URL(world.mediaOrigin).hostname;
  let session: { token: string; until: number } | null = null;
  let signingIn: Promise<string> | null = null;

  /** Auth stays where it was: it does not move and is not counted as media traffic. */
  async function signIn(): Promise<string> {
    const response = await fetch(`${world.supabase.url}/auth/v1/token?grant_type=password`, {
      method: 'POST',
      headers: { apikey: world.supabase.anonKey, 'content-type': 'application/json' },
      body: JSON.stringify({ email: user.email, password: user.password }),
    });
    const body = (await response.json()) as { access_token?: string; expires_in?: number };
    if (body.access_token === undefined) throw new Error(`sign-in of ${user.email} answered ${response.status}`);
    session = { token: body.access_token, until: Date.now() + (body.expires_in ?? 3600) * 1000 - TOKEN_EARLY_MS };
    return session.token;
  }
  function token(): Promise<string> {
    if (session !== null && session.until > Date.now()) return Promise.resolve(session.token);
    signingIn ??= signIn().finally(() => (signingIn = null));
    return signingIn;
  }

  async function send(
    address: string,
    url: string,
    options: { method?: string; headers?: Record<string, string>; body?: Buffer | string },
  ): Promise<Answer> {
    const response = await request(url, {
      method: (options.method ?? 'GET') as 'GET',
      headers: options.headers ?? {},
      body: options.body ?? null,
      dispatcher: world.connectionTo(address),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return {
      status: response.statusCode,
      body: Buffer.from(await response.body.arrayBuffer()),
      planted: response.headers[PLANTED_HEADER] !== undefined,
    };
  }

  /** Sends, judges and counts one request; throws `Failed` after counting a failure. */
  async function counted(
    what: string,
    { address, side }: Place,
    intended: number,
    url: string,
    asked: Asked,
  ): Promise<Answer> {
    let answer: Answer | null = null;
    let failure: string | null = null;
    try {
      answer = await send(address, url, asked);
      if (!asked.expect.includes(answer.status)) failure = `${what} ${answer.status} ${side}`;
      else {
        const wrong = asked.judge?.(answer) ?? null;
        if (wrong !== null) failure = `${what} ${wrong} ${side}`;
      }
    } catch (error) {
      failure = `${what} ${codeOf(error)} ${side}`;
    }
    const planted = answer?.planted ?? false;
    world.count(side, performance.now() - intended, failure === null ? null : { reason: failure, planted });
    if (failure !== null || answer === null) throw new Failed(failure ?? what, isRefusal(answer));
    return answer;
  }

  /** Which side answers at an address; asked once for each. */
  async function sideOf(address: string, intended: number): Promise<Side> {
    const known = sides.get(address);
    if (known !== undefined) return known;
    const judgeable = await send(address, `${world.mediaOrigin}/health`, {}).catch(() => null);
    let isWorker = false;
    try {
      const health: unknown = judgeable === null ? null : JSON.parse(judgeable.body.toString('utf8'));
      isWorker =
        typeof health === 'object' && health !== null && 'service' in health && health.service === 'audafact-api';
    } catch {
      // Legacy knows no such route: what it says is not for us to read.
    }
    const side: Side = isWorker ? 'edge' : 'legacy';
    // Nobody answered at all: a failed request, and the next one asks anew.
    world.count(side, performance.now() - intended, judgeable === null ? unplanted('GET health no answer') : null);
    if (judgeable === null) throw new Failed('health', true);
    sides.set(address, side);
    return side;
  }

  return {
    user,
    token,
    counted,
    async place(intended: number): Promise<Place> {
      const address = await world.resolve(host);
      return { address, side: await sideOf(address, intended) };
    },
    publicUrl: (key: string): string =>
      `${world.mediaOrigin}/storage/v1/object/public/${world.supabase.bucket}/${encodeURI(key)}`,
    /** What the app's own page would tell of how it felt: one in so many, and nobody waits for it. */
    tell({ address, side }: Place, name: 'preview-start' | 'upload', ms: number, random: Random): void {
      if (side !== 'edge' || random() >= TOLD_SHARE) return;
      const body = JSON.stringify({ name, value: Math.round(ms) });
      const headers = { 'content-type': 'application/json' };
      send(address, `${world.mediaOrigin}/rum`, { method: 'POST', headers, body }).catch(() => {
        // A timing that does not arrive is no failed request of a listener's.
      });
    },
  };
}
export type Phone = ReturnType<typeof createPhone>;

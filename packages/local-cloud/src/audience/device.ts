import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request } from 'undici';
import { HABITS, playlistOf } from './habits.ts';
import type { AcceptedUpload, DeviceUser, Surroundings } from './surroundings.ts';
import type { Failure, Side } from './tally.ts';

const TIMEOUT_MS = 10_000;
/** What a listener who looks in reads of a track, and one who plays on reads at a time, bytes. */
const FIRST_BYTES = 64 * 1024;
const PIECE_BYTES = 16 * 1024;
/** Files up to this size are now and then read whole and their bytes compared. */
const WHOLE_BYTES = 256 * 1024;
/** Share of previews and uploads whose timing is told. */
const TOLD_SHARE = 0.1;
const TOKEN_EARLY_MS = 5 * 60_000;
/** What a scenario's Worker puts on the answers that it spoils. */
const PLANTED_HEADER = 'x-planted-by';

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  /** A scenario's own fault says so in its answer. */
  readonly planted: boolean;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pick = <Item>(items: readonly Item[]): Item | undefined => items[Math.floor(Math.random() * items.length)];

const unplanted = (reason: string): Failure => ({ reason, planted: false });

/** `ECONNREFUSED`, `UND_ERR_SOCKET`; an abort's code is a number, so its name says more. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'error';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}

/** A failed request whose reason is already counted: the rest of the action is left out. */
class Failed extends Error {}

/**
 * One listener's phone: resolves the media name by its own resolver, asks whoever answers there which side it is,
 * and plays, uploads and reads back accordingly. Every request is counted once, from its intended start.
 */
export function createDevice(user: DeviceUser, world: Surroundings) {
  const sides = new Map<string, Side>();
  const own: AcceptedUpload[] = [];
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
    side: Side,
    intended: number,
    address: string,
    url: string,
    options: {
      method?: string;
      headers?: Record<string, string>;
      body?: Buffer | string;
      expect: readonly number[];
      judge?: (answer: Answer) => string | null;
    },
  ): Promise<Answer> {
    let answer: Answer | null = null;
    let failure: string | null = null;
    try {
      answer = await send(address, url, options);
      if (!options.expect.includes(answer.status)) failure = `${what} ${answer.status} ${side}`;
      else {
        const wrong = options.judge?.(answer) ?? null;
        if (wrong !== null) failure = `${what} ${wrong} ${side}`;
      }
    } catch (error) {
      failure = `${what} ${codeOf(error)} ${side}`;
    }
    const planted = answer?.planted ?? false;
    world.count(side, performance.now() - intended, failure === null ? null : { reason: failure, planted });
    if (failure !== null || answer === null) throw new Failed(failure ?? what);
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
    if (judgeable === null) throw new Failed('health');
    sides.set(address, side);
    return side;
  }

  const publicUrl = (key: string): string =>
    `${world.mediaOrigin}/storage/v1/object/public/${world.supabase.bucket}/${encodeURI(key)}`;

  async function readUrl(side: Side, address: string, key: string, intended: number): Promise<string> {
    if (side === 'legacy') return publicUrl(key);
    const answer = await counted(
      'GET sign-file',
      side,
      intended,
      address,
      `${world.mediaOrigin}/api/sign-file?key=${encodeURIComponent(key)}`,
      {
        headers: { authorization: `Bearer ${await token()}` },
        expect: [200],
      },
    );
    return (JSON.parse(answer.body.toString('utf8')) as { url: string }).url;
  }

  /** What the app's own page would tell of how it felt: one in so many, and nobody waits for it. */
  function tell(address: string, side: Side, name: 'preview-start' | 'upload', value: number): void {
    if (side !== 'edge' || Math.random() >= TOLD_SHARE) return;
    const body = JSON.stringify({ name, value: Math.round(value) });
    const headers = { 'content-type': 'application/json' };
    send(address, `${world.mediaOrigin}/rum`, { method: 'POST', headers, body }).catch(() => {
      // A timing that does not arrive is no failed request of a listener's.
    });
  }

  async function read(key: string, size: number, expected: string, whole: boolean, intended: number): Promise<void> {
    const address = await world.resolve(host);
    const side = await sideOf(address, intended);
    const url = await readUrl(side, address, key, intended);
    if (whole) {
      await counted('GET media', side, intended, address, url, {
        expect: [200],
        judge: ({ body }) => (sha256(body) === expected ? null : 'wrong bytes'),
      });
    } else await play(side, address, url, size, intended);
    tell(address, side, 'preview-start', performance.now() - intended);
  }

  /** As a player does: by one link, one range after the other. */
  async function play(side: Side, address: string, url: string, size: number, intended: number): Promise<void> {
    const most = world.pieces === 1 ? FIRST_BYTES : PIECE_BYTES;
    for (let piece = 0, start = 0; piece < world.pieces && start < size; piece++, start += most) {
      const length = Math.min(size - start, most);
      await counted('GET media', side, piece === 0 ? intended : performance.now(), address, url, {
        headers: { range: `bytes=${start}-${start + length - 1}` },
        expect: [206],
        judge: ({ body }) => (body.byteLength === length ? null : 'truncated'),
      });
    }
  }

  async function upload(intended: number): Promise<void> {
    const address = await world.resolve(host);
    const side = await sideOf(address, intended);
    const bytes = randomBytes(20_000 + Math.floor(Math.random() * 100_000));
    const authorization = `Bearer ${await token()}`;
    let key: string;
    if (side === 'edge') {
      const signed = await counted(
        'POST sign-upload',
        side,
        intended,
        address,
        `${world.mediaOrigin}/api/sign-upload`,
        {
          method: 'POST',
          headers: { authorization, 'content-type': 'application/json' },
          body: JSON.stringify({
            filename: 'from the audience.wav',
            contentType: 'audio/wav',
            sizeBytes: bytes.byteLength,
          }),
          expect: [200],
        },
      );
      const link = JSON.parse(signed.body.toString('utf8')) as { key: string; url: string };
      ({ key } = link);
      await counted('PUT media', side, intended, address, link.url, {
        method: 'PUT',
        headers: { 'content-type': 'audio/wav' },
        body: bytes,
        expect: [201],
      });
      tell(address, side, 'upload', performance.now() - intended);
    } else {
      key = `users/${user.id}/uploads/${randomUUID()}-from-the-audience.wav`;
      await counted(
        'POST object',
        side,
        intended,
        address,
        `${world.mediaOrigin}/storage/v1/object/${world.supabase.bucket}/${key}`,
        {
          method: 'POST',
          headers: { authorization, 'content-type': 'audio/wav' },
          body: bytes,
          expect: [200],
        },
      );
      // The row goes to the project itself, as the old front end did it.
      const row = await fetch(`${world.supabase.url}/rest/v1/uploads`, {
        method: 'POST',
        headers: { apikey: world.supabase.anonKey, authorization, 'content-type': 'application/json' },
        body: JSON.stringify({
          user_id: user.id,
          file_url: publicUrl(key),
          title: 'from the audience',
          content_type: 'audio/wav',
          size_bytes: bytes.byteLength,
        }),
      });
      world.count(
        side,
        performance.now() - intended,
        row.status === 201 ? null : unplanted(`POST row ${row.status} legacy`),
      );
      if (row.status !== 201) throw new Failed('row');
    }
    const accepted = { key, sha256: sha256(bytes), size: bytes.byteLength, at: new Date().toISOString(), side };
    own.push(accepted);
    world.uploaded(accepted);
  }

  const { uploads: mostUploads, replayed } = HABITS[user.tier];
  const { small, playlist } = playlistOf(user.tier, world.tracks, WHOLE_BYTES);
  return {
    /** One arrival; `intended` is its time by `performance.now()`. */
    async act(intended: number): Promise<void> {
      const chance = Math.random();
      try {
        const earlier = pick(own.slice(0, replayed));
        if (chance < 0.04 && own.length < mostUploads) await upload(intended);
        else if (chance < 0.07 && earlier !== undefined)
          await read(earlier.key, earlier.size, earlier.sha256, true, intended);
        else {
          const whole = chance > 0.85;
          const track = pick(whole ? small : playlist);
          if (track !== undefined) await read(track.key, track.sizeBytes, track.sha256, whole, intended);
        }
      } catch (error) {
        if (error instanceof Failed) return;
        world.count(
          'legacy',
          performance.now() - intended,
          unplanted(`before the request: ${error instanceof Error ? error.message : String(error)}`),
        );
      }
    },
  };
}

import { decodeJwt, SignJWT } from 'jose';
import worker from '../../../apps/media-worker/src/worker.ts';

type Fetch = typeof worker.fetch;
type Env = Parameters<Fetch>[1];
type Answer = Response | Promise<Response>;

/** Marks the load's own reads: no player asks for just these bytes. */
const LOAD_RANGE = 'bytes=0-16383';
let loadReads = 0;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The tiers' limits with one of them one too high. */
function oneTooMany(env: Env, name: string): Env {
  const tiers = JSON.parse(env.TIER_LIMITS) as Record<string, Record<string, number>>;
  const changed = Object.entries(tiers).map(([tier, limits]) => [tier, { ...limits, [name]: (limits[name] ?? 0) + 1 }]);
  return { ...env, TIER_LIMITS: JSON.stringify(Object.fromEntries(changed)) };
}

/** The bucket with some of its methods replaced. */
function withBucket(env: Env, methods: Partial<R2Bucket>): Env {
  const MEDIA = new Proxy(env.MEDIA, {
    get: (bucket, name) => {
      const replaced: unknown = Reflect.get(methods, name);
      if (replaced !== undefined) return replaced;
      const own: unknown = Reflect.get(bucket, name);
      return typeof own === 'function' ? own.bind(bucket) : own;
    },
  });
  return { ...env, MEDIA };
}

const flipped = (body: ReadableStream): ReadableStream =>
  body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => controller.enqueue(chunk.map((byte) => byte ^ 0xff)),
    }),
  );

/** One fault for each promise of the Worker's: it breaks that promise and, as far as one can, no other. */
export const WORKER_FAULTS: Readonly<Record<string, (...args: Parameters<Fetch>) => Answer>> = {
  /** A route forgets one of its rows. */
  async endpoints(request, env, context) {
    const answer = await worker.fetch(request, env, context);
    if (new URL(request.url).pathname !== '/api/library' || answer.status !== 200) return answer;
    const { tracks } = (await answer.json()) as { tracks: unknown[] };
    return Response.json({ tracks: tracks.slice(0, -1) }, { headers: corsOf(answer) });
  },
  /** An expired token is believed. */
  async auth(request, env, context) {
    const token = /^Bearer (\S+)$/.exec(request.headers.get('authorization') ?? '')?.[1];
    try {
      const claims = decodeJwt(token ?? '');
      if ((claims.exp ?? Infinity) > Date.now() / 1000) return worker.fetch(request, env, context);
      const renewed = await new SignJWT({ ...claims, exp: Math.floor(Date.now() / 1000) + 60 })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(new TextEncoder().encode(env.JWT_SECRET));
      const headers = new Headers(request.headers);
      headers.set('authorization', `Bearer ${renewed}`);
      return worker.fetch(new Request(request, { headers }), env, context);
    } catch {
      // No token to renew: the Worker refuses it as ever.
      return worker.fetch(request, env, context);
    }
  },
  rateLimiting: (request, env, context) => worker.fetch(request, oneTooMany(env, 'previewsPerHour'), context),
  quotas: (request, env, context) => worker.fetch(request, oneTooMany(env, 'uploadsPerDay'), context),
  /** Small files lie in the bucket other than they were sent, and nobody who reads through the Worker sees it. */
  uploads(request, env, context) {
    if (!/-small\.wav/.test(request.url)) return worker.fetch(request, env, context);
    const { MEDIA } = env;
    const put = (async (key: string, body: ReadableStream, options: R2PutOptions) => {
      const bytes = await new Response(flipped(body)).arrayBuffer();
      return MEDIA.put(key, bytes, options);
    }) as unknown as R2Bucket['put'];
    const get = (async (key: string, options: R2GetOptions) => {
      const object = await MEDIA.get(key, options);
      if (object === null || !('body' in object)) return object;
      return new Proxy(object, {
        get: (target, name) => (name === 'body' ? flipped(target.body as ReadableStream) : Reflect.get(target, name)),
      });
    }) as unknown as R2Bucket['get'];
    return worker.fetch(request, withBucket(env, { put, get }), context);
  },
  /** The last bytes of a file are those before them. */
  previews(request, env, context) {
    const suffix = /^bytes=-(\d+)$/.exec(request.headers.get('range') ?? '')?.[1];
    if (suffix === undefined) return worker.fetch(request, env, context);
    const headers = new Headers(request.headers);
    headers.set('range', `bytes=0-${Number(suffix) - 1}`);
    return worker.fetch(new Request(request, { headers }), env, context);
  },
  /** Small files are said to be deleted, and stay. */
  async deletions(request, env, context) {
    const isDelete = new URL(request.url).pathname === '/api/delete-file';
    if (!isDelete || !(await request.clone().text()).includes('-small.wav')) return worker.fetch(request, env, context);
    const nothing = (async () => undefined) as R2Bucket['delete'];
    return worker.fetch(request, withBucket(env, { delete: nothing }), context);
  },
  /** Every link takes its time. */
  async responseTime(request, env, context) {
    if (request.headers.get('range') === LOAD_RANGE) await pause(250);
    return worker.fetch(request, env, context);
  },
  /** One in forty answers comes when nobody waits for it any more: few, so that most are as fast as ever. */
  async throughput(request, env, context) {
    if (request.headers.get('range') === LOAD_RANGE && ++loadReads % 40 === 0) await pause(4000);
    return worker.fetch(request, env, context);
  },
  async errorRate(request, env, context) {
    if (request.headers.get('range') === LOAD_RANGE && ++loadReads % 25 === 0)
      return Response.json({ error: { code: 'INTERNAL', message: 'planted' } }, { status: 500 });
    return worker.fetch(request, env, context);
  },
};

/** What lets the browser read the answer; its length is another by now. */
function corsOf(answer: Response): Headers {
  const headers = new Headers(answer.headers);
  headers.delete('content-length');
  return headers;
}

/** The Worker with one fault. */
export function faultyWorker(fault: string): { fetch(...args: Parameters<Fetch>): Answer } {
  const fetch = WORKER_FAULTS[fault];
  if (fetch === undefined) throw new Error(`there is no fault ${fault}`);
  return { fetch };
}

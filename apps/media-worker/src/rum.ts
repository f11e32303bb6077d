import { ApiError } from './api-error.ts';
import { readJson, type RouteContext, laterOf } from './route-context.ts';
import { observe } from './telemetry.ts';

const LARGEST_BYTES = 4096;
/** Front-end timings: ms, but CLS, which is a score, and session, which only counts. */
const NAMES: ReadonlySet<string> = new Set(['LCP', 'CLS', 'INP', 'preview-start', 'upload', 'session', 'error']);
/** Nothing that a browser times takes longer, ms. */
const LONGEST_MS = 3_600_000;

/** One timing of a browser becomes a data point; of the browser itself nothing is kept. */
export async function receiveTiming(context: RouteContext): Promise<Response> {
  if (Number(context.req.header('content-length') ?? 0) > LARGEST_BYTES)
    throw new ApiError(413, 'BODY_TOO_LARGE', 'a timing has at most 4 KiB');
  const { name, value, ok } = await readJson(context);
  if (typeof name !== 'string' || !NAMES.has(name))
    throw new ApiError(400, 'BODY_INVALID', `name must be one of ${[...NAMES].join(', ')}`);
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > LONGEST_MS)
    throw new ApiError(400, 'BODY_INVALID', 'value must be a number of ms');
  observe(context.env, laterOf(context), { kind: 'rum', name, status: ok === false ? 'failed' : 'ok', value });
  return context.body(null, 204);
}

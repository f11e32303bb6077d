import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import * as v from 'valibot';
import { S3Failure } from './s3-failure.ts';
import { isSignedWith, type S3Keys } from './s3-signing.ts';

const MOST_SKEW_MS = 15 * 60_000;
const MOST_EXPIRES_SECONDS = 7 * 24 * 60 * 60;
const READS = /^(Get|Head|List)/;

const strings = v.optional(v.array(v.string()), []);
const claims = v.object({
  bucket: v.string(),
  scope: v.optional(v.string()),
  actions: v.optional(v.array(v.string())),
  paths: v.optional(v.object({ prefixPaths: strings, objectPaths: strings })),
  iss: v.string(),
  exp: v.number(),
});

/** What is asked for. */
interface Asked {
  readonly action: string;
  readonly bucket: string;
  readonly key: string;
}

const unauthorized = (): S3Failure => new S3Failure(401, 'Unauthorized', 'Unauthorized');

/**
 * Whether R2 takes the request's signature. `false` leaves the refusal to the simulator, which has R2's words for each
 * way to be wrong; what it does not know, temporary credentials, is refused here. @throws S3Failure
 */
export function isPermitted(request: IncomingMessage, url: URL, keys: S3Keys, asked: Asked): boolean {
  const { headers, method = 'GET' } = request;
  const query = url.searchParams;
  const token = headers['x-amz-security-token'] ?? query.get('X-Amz-Security-Token');
  const holds = (secretAccessKey: string): boolean =>
    isSignedWith({ method, path: url.pathname, headers }, query, { ...keys, secretAccessKey });
  if (token === null) return isInTime(request, query) && holds(keys.secretAccessKey);
  const secretAccessKey = secretOf(String(token), keys, asked);
  if (!isInTime(request, query)) throw new S3Failure(403, 'RequestTimeTooSkewed', 'The request is too old or too new.');
  if (!holds(secretAccessKey))
    throw new S3Failure(
      403,
      'SignatureDoesNotMatch',
      'The request signature we calculated does not match the signature you provided. Check your secret access key and signing method.',
    );
  return true;
}

function isInTime({ headers }: IncomingMessage, query: URLSearchParams): boolean {
  const presigned = headers.authorization === undefined;
  const text = presigned ? query.get('X-Amz-Date') : (headers['x-amz-date'] ?? headers.date);
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(String(text));
  if (match === null) return false;
  const [, year, month, day, hour, minute, second] = match;
  const age = Date.now() - Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (!presigned) return Math.abs(age) <= MOST_SKEW_MS;
  const expires = Number(query.get('X-Amz-Expires') || Number.NaN);
  return expires >= 1 && expires <= MOST_EXPIRES_SECONDS && age <= expires * 1000;
}

/**
 * The secret that goes with a session token, which is a JWT signed with the parent's secret; the secret is its SHA-256.
 * https://developers.cloudflare.com/r2/examples/authenticate-r2-temp-credentials/. @throws S3Failure
 */
function secretOf(token: string, parent: S3Keys, asked: Asked): string {
  const jwt = /^jwt\/(.+)$/.exec(Buffer.from(token, 'base64').toString('latin1'))?.[1] ?? '';
  const [header = '', payload = '', signature = ''] = jwt.split('.');
  const expected = createHmac('sha256', parent.secretAccessKey).update(`${header}.${payload}`).digest();
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw unauthorized();
  const parsed = v.safeParse(claims, parseJson(payload));
  if (!parsed.success || parsed.output.iss !== parent.accessKeyId) throw unauthorized();
  if (parsed.output.exp * 1000 <= Date.now()) throw unauthorized();
  if (!allows(parsed.output, asked)) throw new S3Failure(403, 'AccessDenied', 'Access Denied');
  return createHash('sha256').update(jwt).digest('hex');
}

function parseJson(base64: string): unknown {
  try {
    return JSON.parse(Buffer.from(base64, 'base64url').toString());
  } catch {
    return null;
  }
}

function allows({ bucket, scope, actions, paths }: v.InferOutput<typeof claims>, asked: Asked): boolean {
  if (bucket !== asked.bucket) return false;
  const isAction = (name: string): boolean => name === asked.action || name.replace(/V[12]$/, '') === asked.action;
  if (actions !== undefined && !actions.some(isAction)) return false;
  if (actions === undefined && scope === undefined) return false;
  if (scope !== undefined && !scope.endsWith('-write') && !READS.test(asked.action)) return false;
  if (paths === undefined || paths.prefixPaths.length + paths.objectPaths.length === 0) return true;
  return paths.objectPaths.includes(asked.key) || paths.prefixPaths.some((prefix) => asked.key.startsWith(prefix));
}

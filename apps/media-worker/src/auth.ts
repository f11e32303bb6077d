import { createRemoteJWKSet, decodeProtectedHeader, errors, jwtVerify, type JWTVerifyGetKey } from 'jose';
import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

/** Clocks of issuer and Worker may differ by so much, seconds. */
const CLOCK_SKEW = 30;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** So long are public keys believed, ms; one that is not among them is asked for again, at most once in the pause. */
const KEYS_KEPT_MS = 10 * 60_000;
const KEYS_PAUSE_MS = 1000;
const KEYS_TIMEOUT_MS = 3000;

const keySets = new Map<string, JWTVerifyGetKey>();

function keySet(address: string): JWTVerifyGetKey {
  const known =
    keySets.get(address) ??
    createRemoteJWKSet(new URL(address), {
      cacheMaxAge: KEYS_KEPT_MS,
      cooldownDuration: KEYS_PAUSE_MS,
      timeoutDuration: KEYS_TIMEOUT_MS,
    });
  keySets.set(address, known);
  return known;
}

/**
 * The user of a Supabase token, verified here: by the project's secret, or by its public keys, which are cached. Each
 * kind of key is bound to its own algorithms, so neither `none` nor a key taken for one of another kind passes.
 * @throws ApiError 401 TOKEN_MISSING, TOKEN_EXPIRED or TOKEN_INVALID, 503 KEYS_UNAVAILABLE
 */
export async function authenticate(header: string | undefined, env: Env): Promise<{ userId: string }> {
  const token = /^Bearer ([^\s]+)$/i.exec(header ?? '')?.[1];
  if (token === undefined) throw new ApiError(401, 'TOKEN_MISSING', 'this route needs a bearer token');
  try {
    const claims = {
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      clockTolerance: CLOCK_SKEW,
      requiredClaims: ['sub', 'exp'],
    };
    const { alg } = decodeProtectedHeader(token);
    const verified =
      alg === 'HS256' && env.JWT_SECRET !== ''
        ? jwtVerify(token, new TextEncoder().encode(env.JWT_SECRET), { ...claims, algorithms: ['HS256'] })
        : env.JWKS_URL !== ''
          ? jwtVerify(token, keySet(env.JWKS_URL), { ...claims, algorithms: ['ES256', 'RS256', 'EdDSA'] })
          : Promise.reject(new errors.JOSEAlgNotAllowed('no key for this algorithm'));
    const { payload } = await verified;
    if (payload.sub === undefined || !UUID.test(payload.sub)) throw new errors.JWTInvalid('no user');
    return { userId: payload.sub };
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new ApiError(401, 'TOKEN_EXPIRED', 'the token has expired; sign in again');
    if (error instanceof errors.JWKSTimeout || (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC'))
      throw new ApiError(503, 'KEYS_UNAVAILABLE', "the sign-in service's keys cannot be had; try again", {
        'retry-after': '2',
      });
    // What cannot even be taken apart is a TypeError to the library.
    if (error instanceof errors.JOSEError || error instanceof TypeError)
      throw new ApiError(401, 'TOKEN_INVALID', 'the token is not valid');
    throw error;
  }
}

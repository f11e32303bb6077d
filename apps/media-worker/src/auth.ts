import { errors, jwtVerify } from 'jose';
import { ApiError } from './api-error.ts';
import type { Env } from './env.ts';

/** Clocks of issuer and Worker may differ by so much, seconds. */
const CLOCK_SKEW = 30;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/**
 * The user of a Supabase token, verified here without asking Supabase. The algorithm is pinned, so neither `none`
 * nor a key of another kind passes.
 * @throws ApiError 401 TOKEN_MISSING, TOKEN_EXPIRED or TOKEN_INVALID
 */
export async function authenticate(header: string | undefined, env: Env): Promise<{ userId: string }> {
  const token = /^Bearer ([^\s]+)$/i.exec(header ?? '')?.[1];
  if (token === undefined) throw new ApiError(401, 'TOKEN_MISSING', 'this route needs a bearer token');
  try {
    const { payload } = await jwtVerify(token, new TextEncoder().encode(env.JWT_SECRET), {
      algorithms: ['HS256'],
      issuer: env.JWT_ISSUER,
      audience: env.JWT_AUDIENCE,
      clockTolerance: CLOCK_SKEW,
      requiredClaims: ['sub', 'exp'],
    });
    if (payload.sub === undefined || !UUID.test(payload.sub)) throw new errors.JWTInvalid('no user');
    return { userId: payload.sub };
  } catch (error) {
    if (error instanceof errors.JWTExpired)
      throw new ApiError(401, 'TOKEN_EXPIRED', 'the token has expired; sign in again');
    if (error instanceof errors.JOSEError) throw new ApiError(401, 'TOKEN_INVALID', 'the token is not valid');
    throw error;
  }
}

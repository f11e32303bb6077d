import { SignJWT, jwtVerify } from 'jose';
import type { IncomingMessage } from 'node:http';

export interface Caller {
  readonly role: 'anon' | 'authenticated' | 'service_role';
  /** User id of a signed-in caller. */
  readonly sub: string | null;
  readonly claims: Readonly<Record<string, unknown>>;
}

const ROLES = ['anon', 'authenticated', 'service_role'] as const;
const YEARS = '10y';

export interface Tokens {
  readonly anonKey: string;
  readonly serviceKey: string;
  /** An access token of one hour. */
  forUser(user: { id: string; email: string; sessionId: string }): Promise<string>;
  /** A token that names one object, as signed URLs carry it; one for an upload says more. */
  forObject(granted: { url: string; upsert?: boolean; owner?: string }, seconds: number): Promise<string>;
  objectOf(token: string): Promise<{ url: string; upsert: boolean; owner: string | null } | null>;
  /** The caller of a request; `null` when the token is not valid. Without any token the caller is anonymous. */
  caller(request: IncomingMessage): Promise<Caller | null>;
}

/** HS256 with the project's secret, as older Supabase projects sign. */
export async function createTokens(jwtSecret: string, issuer: string, ref: string): Promise<Tokens> {
  const key = new TextEncoder().encode(jwtSecret);
  const sign = (claims: Record<string, unknown>, expires: string | number): Promise<string> =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt()
      .setExpirationTime(expires)
      .sign(key);
  // Issued at a fixed moment, so that a restart gives the same keys.
  const apiKey = (role: string): Promise<string> =>
    new SignJWT({ iss: 'supabase', ref, role })
      .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
      .setIssuedAt(1_700_000_000)
      .setExpirationTime(YEARS)
      .sign(key);
  const [anonKey, serviceKey] = await Promise.all([apiKey('anon'), apiKey('service_role')]);
  const known = new Map<string, { until: number; caller: Caller }>();

  async function read(token: string): Promise<Caller | null> {
    const cached = known.get(token);
    if (cached !== undefined && cached.until > Date.now()) return cached.caller;
    try {
      const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] });
      const role = ROLES.find((one) => one === payload['role']) ?? 'anon';
      const caller = { role, sub: payload.sub ?? null, claims: payload };
      if (known.size > 5000) known.clear();
      known.set(token, { until: Math.min(Date.now() + 60_000, (payload.exp ?? 0) * 1000), caller });
      return caller;
    } catch {
      // Whatever is wrong with the token, the answer is the same: it is not one.
      return null;
    }
  }
  return {
    anonKey,
    serviceKey,
    forUser: ({ id, email, sessionId }) =>
      sign({ sub: id, email, role: 'authenticated', aud: 'authenticated', iss: issuer, session_id: sessionId }, '1h'),
    forObject: (granted, seconds) => sign(granted, Math.floor(Date.now() / 1000) + seconds),
    async objectOf(token) {
      try {
        const { payload } = await jwtVerify(token, key, { algorithms: ['HS256'] });
        const { url, upsert, owner } = payload;
        if (typeof url !== 'string') return null;
        return { url, upsert: upsert === true, owner: typeof owner === 'string' ? owner : null };
      } catch {
        return null;
      }
    },
    async caller(request) {
      const bearer = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
      const apikey = request.headers['apikey'];
      const token = bearer ?? (typeof apikey === 'string' ? apikey : undefined);
      return token === undefined ? { role: 'anon', sub: null, claims: {} } : read(token);
    },
  };
}

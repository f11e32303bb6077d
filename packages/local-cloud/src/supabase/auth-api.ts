import { randomBytes, randomUUID, scrypt, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import type { Pool } from 'pg';
import { readJson, sendJson } from './answer.ts';
import type { Tokens } from './tokens.ts';

const derive = promisify<string, Buffer, number, { N: number }, Buffer>(scrypt);
/** Cheap on purpose: a rehearsal signs in many users on two cores. */
const COST = { N: 1024 };

async function hashPassword(password: string, salt: Buffer): Promise<Buffer> {
  return derive(password, salt, 32, COST);
}

const SCOPES = new Set(['global', 'local', 'others']);
const isScope = (told: string): boolean => SCOPES.has(told);

/** Users and their tokens: Supabase Auth's password and refresh grants. */
export function createAuthApi(pool: Pool, tokens: Tokens) {
  /** A sign-in's session; a refresh goes on with the one that it had. */
  async function session(user: { id: string; email: string }, id: string = randomUUID()) {
    const refresh = randomBytes(16).toString('hex');
    await pool.query('insert into auth.refresh_tokens (token, user_id, session_id) values ($1, $2, $3)', [
      refresh,
      user.id,
      id,
    ]);
    return {
      access_token: await tokens.forUser({ ...user, sessionId: id }),
      token_type: 'bearer',
      expires_in: 3600,
      expires_at: Math.floor(Date.now() / 1000) + 3600,
      refresh_token: refresh,
      user: {
        id: user.id,
        aud: 'authenticated',
        role: 'authenticated',
        email: user.email,
        app_metadata: {},
        user_metadata: {},
        created_at: new Date(0).toISOString(),
      },
    };
  }
  const unauthorized = (response: ServerResponse): void =>
    sendJson(response, 401, {
      code: 401,
      error_code: 'no_authorization',
      msg: 'This endpoint requires a valid Bearer token',
    });

  /**
   * Ends all of the user's sessions, the caller's own (`local`) or all but that (`others`). Access tokens stay valid
   * until they expire (https://supabase.com/docs/guides/auth/signout).
   */
  async function logOut(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const caller = await tokens.caller(request);
    if (caller?.sub === null || caller === null) return unauthorized(response);
    const scope = url.searchParams.get('scope') ?? 'global';
    if (!isScope(scope))
      return sendJson(response, 400, {
        code: 400,
        error_code: 'validation_failed',
        msg: `Unsupported logout scope "${scope}"`,
      });
    await pool.query(
      `delete from auth.refresh_tokens where user_id = $1 and case $2
         when 'local' then session_id = $3 when 'others' then session_id is distinct from $3 else true end`,
      [caller.sub, scope, caller.claims['session_id']],
    );
    response.writeHead(204).end();
  }

  const invalid = (response: ServerResponse): void =>
    sendJson(response, 400, { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' });

  return {
    async createUser({
      email,
      password,
      tier,
      id = randomUUID(),
    }: {
      email: string;
      password: string;
      tier: string;
      id?: string;
    }): Promise<string> {
      const salt = randomBytes(16);
      const hash = `${salt.toString('hex')}:${(await hashPassword(password, salt)).toString('hex')}`;
      const { rows } = await pool.query<{ id: string }>(
        `insert into auth.users (id, email, encrypted_password, aud, role) values ($1,$2,$3,'authenticated','authenticated')
         on conflict (email) where is_sso_user = false do update set encrypted_password = excluded.encrypted_password returning id`,
        [id, email, hash],
      );
      const userId = rows[0]?.id ?? id;
      await pool.query(
        'insert into public.profiles (id, tier) values ($1, $2) on conflict (id) do update set tier = excluded.tier',
        [userId, tier],
      );
      return userId;
    },
    async handle(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
      const route = `${request.method} ${url.pathname.slice('/auth/v1'.length)}`;
      if (route === 'GET /health')
        return sendJson(response, 200, {
          name: 'GoTrue',
          version: 'v2',
          description: 'GoTrue is a user registration and authentication API',
        });
      // An HS256 project publishes no keys.
      if (route === 'GET /.well-known/jwks.json') return sendJson(response, 200, { keys: [] });
      if (route === 'GET /user') {
        const caller = await tokens.caller(request);
        if (caller?.sub === null || caller === null) return unauthorized(response);
        return sendJson(response, 200, {
          id: caller.sub,
          aud: 'authenticated',
          role: 'authenticated',
          email: caller.claims['email'],
        });
      }
      if (route === 'POST /logout') return logOut(request, response, url);
      if (route !== 'POST /token') return sendJson(response, 404, { code: 404, msg: '404 page not found' });
      const body = await readJson(request);
      const field = (name: string): string => {
        const value = typeof body === 'object' && body !== null ? (body as Record<string, unknown>)[name] : undefined;
        return typeof value === 'string' ? value : '';
      };
      if (url.searchParams.get('grant_type') === 'refresh_token') {
        const { rows } = await pool.query<{ id: string; email: string; session_id: string }>(
          'with gone as (delete from auth.refresh_tokens where token = $1 returning user_id, session_id) select u.id, u.email, gone.session_id from gone join auth.users u on u.id::text = gone.user_id',
          [field('refresh_token')],
        );
        return rows[0] === undefined
          ? sendJson(response, 400, { code: 400, error_code: 'refresh_token_not_found', msg: 'Invalid Refresh Token' })
          : sendJson(response, 200, await session(rows[0], rows[0].session_id));
      }
      const { rows } = await pool.query<{ id: string; email: string; encrypted_password: string }>(
        'select id, email, encrypted_password from auth.users where email = $1',
        [field('email')],
      );
      const user = rows[0];
      if (user === undefined) return invalid(response);
      const [salt = '', expected = ''] = user.encrypted_password.split(':');
      const measured = await hashPassword(field('password'), Buffer.from(salt, 'hex'));
      return timingSafeEqual(measured, Buffer.from(expected, 'hex'))
        ? sendJson(response, 200, await session(user))
        : invalid(response);
    },
  };
}

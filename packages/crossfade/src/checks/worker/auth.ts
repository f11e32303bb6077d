import { createHmac, generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { errorCode, openMediaClient } from './media-client.ts';
import { toneWav } from './tone-wav.ts';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function hs256(header: Record<string, unknown>, claims: Record<string, unknown>, secret: string): string {
  const input = `${encode(header)}.${encode(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

/** Words that an answer to a stranger must not hold: they would tell how the Worker is built. */
const LEAK = /\bat\s+\S+\s+\(|\.ts:\d|postgres|hyperdrive|secret|stack/i;

/** Tokens that look right and are not; each must be refused as 401. */
export function hostileTokens(jwtSecret: string, issuer: string, subject: string): { name: string; token: string }[] {
  const now = Math.floor(Date.now() / 1000);
  const header = { alg: 'HS256', typ: 'JWT' };
  const good = { sub: subject, role: 'authenticated', aud: 'authenticated', iss: issuer, iat: now, exp: now + 600 };
  const valid = hs256(header, good, jwtSecret);
  const [head = '', body = '', signature = ''] = valid.split('.');
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const rsaInput = `${encode({ alg: 'RS256', typ: 'JWT' })}.${body}`;
  const { exp: _exp, ...immortal } = good;
  const { sub: _sub, ...nobody } = good;
  return [
    { name: 'not a token', token: 'x' },
    { name: 'empty parts', token: '..' },
    { name: 'two parts', token: `${head}.${body}` },
    { name: 'alg none without a signature', token: `${encode({ alg: 'none', typ: 'JWT' })}.${body}.` },
    { name: 'alg None, oddly written', token: `${encode({ alg: 'nOnE', typ: 'JWT' })}.${body}.` },
    { name: 'alg none with the old signature', token: `${encode({ alg: 'none' })}.${body}.${signature}` },
    { name: 'signature cut', token: `${head}.${body}.${signature.slice(0, -4)}` },
    { name: 'signature of zeroes', token: `${head}.${body}.${Buffer.alloc(32).toString('base64url')}` },
    { name: 'claims altered, signature kept', token: `${head}.${encode({ ...good, sub: randomUUID() })}.${signature}` },
    { name: 'another secret', token: hs256(header, good, 'another secret that is long enough') },
    { name: 'empty secret', token: hs256(header, good, '') },
    { name: 'expired', token: hs256(header, { ...good, iat: now - 7200, exp: now - 3600 }, jwtSecret) },
    { name: 'not yet valid', token: hs256(header, { ...good, nbf: now + 3600 }, jwtSecret) },
    { name: 'without an end', token: hs256(header, immortal, jwtSecret) },
    { name: 'wrong issuer', token: hs256(header, { ...good, iss: 'https://evil.example/auth/v1' }, jwtSecret) },
    { name: 'wrong audience', token: hs256(header, { ...good, aud: 'anon' }, jwtSecret) },
    { name: 'without a subject', token: hs256(header, nobody, jwtSecret) },
    { name: 'HS512 with the right secret', token: hs256({ alg: 'HS512', typ: 'JWT' }, good, jwtSecret) },
    {
      name: 'RS256 by a key of its own',
      token: `${rsaInput}.${sign('sha256', Buffer.from(rsaInput), privateKey).toString('base64url')}`,
    },
    { name: 'RS256 header over an HMAC (key confusion)', token: hs256({ alg: 'RS256', typ: 'JWT' }, good, jwtSecret) },
  ];
}

/** A battery of hostile tokens and altered signatures: all refused, with the right status, leaking nothing. */
export function authCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return {
    id: `${environment}.worker.auth`,
    title: `The ${environment} Worker refuses hostile tokens and signatures`,
    proves,
    async run(context) {
      const { supabase } = context.config.environments[environment];
      const owner = await openMediaClient(context, environment, { tier: 'enterprise' });
      const stranger = await openMediaClient(context, environment, { tier: 'free' });
      const key = await owner.upload('private.wav', 'audio/wav', toneWav(0.05, 300));
      const rows: { name: string; expected: number; measured: number; code: string; leaks: boolean }[] = [];
      const note = async (
        name: string,
        expected: number,
        asked: Promise<{
          status: number;
          headers: Readonly<Record<string, string>>;
          body: Buffer;
          ms: number;
          address: string;
        }>,
      ): Promise<void> => {
        const response = await asked;
        rows.push({
          name,
          expected,
          measured: response.status,
          code: errorCode(response),
          leaks: LEAK.test(response.body.toString('utf8')),
        });
      };
      try {
        for (const { name, token } of hostileTokens(supabase.jwtSecret, `${supabase.url}/auth/v1`, owner.userId)) {
          await note(name, 401, owner.request('/api/uploads', { token }));
        }
        await note('no token', 401, owner.request('/api/uploads', { token: null }));
        await note('the anon key as a token', 401, owner.request('/api/uploads', { token: supabase.anonKey }));
        await note("another user's key", 403, stranger.request(`/api/sign-file?key=${encodeURIComponent(key)}`));
        await note(
          "another user's file, streamed",
          403,
          stranger.request(`/api/stream?key=${encodeURIComponent(key)}`),
        );
        await note("another user's file, deleted", 403, stranger.remove(key));
        const { url } = await owner.signFile(key);
        const other = url.replace(owner.userId, stranger.userId);
        await note('a signed URL for another key', 403, owner.follow(other));
        await note('a signed GET used to PUT', 403, owner.follow(url, { method: 'PUT', body: toneWav(0.05, 300) }));
        await note('a signed URL without its query', 403, owner.follow(url.split('?')[0] ?? url));
        const last = url.at(-1) === 'A' ? 'B' : 'A';
        await note('a signature with its last letter changed', 403, owner.follow(changeSignature(url, last)));
        await note(
          'path traversal',
          400,
          owner.request(`/api/sign-file?key=${encodeURIComponent('library/../users/x')}`),
        );
        await note('encoded traversal', 400, owner.request('/api/sign-file?key=users%2F%252e%252e%2Fx%2F..%2Fy'));
      } finally {
        await owner.remove(key);
      }
      const wrong = rows.filter((row) => row.measured !== row.expected || row.leaks);
      const evidence = await context.keep(`${environment}/auth.json`, JSON.stringify(rows, null, 2));
      return verdict(wrong.length === 0, {
        summary:
          wrong.length === 0
            ? `${rows.length} hostile requests, all refused with the right code`
            : wrong
                .map(
                  (row) => `${row.name}: ${row.measured}${row.leaks ? ' and it leaks' : ''}, expected ${row.expected}`,
                )
                .join('; '),
        measured: { refused: rows.length - wrong.length, wrong: wrong.map((row) => ({ ...row })) },
        expected: { refused: rows.length, wrong: [] },
        evidence: [evidence],
      });
    },
  };
}

/** Changes one character in the middle of the longest query value, which is the signature. */
function changeSignature(url: string, fallback: string): string {
  const parsed = new URL(url);
  const [name, value] = [...parsed.searchParams].toSorted((a, b) => b[1].length - a[1].length)[0] ?? ['sig', ''];
  const middle = Math.floor(value.length / 2);
  const changed = value[middle] === fallback ? 'C' : fallback;
  parsed.searchParams.set(name, value.slice(0, middle) + changed + value.slice(middle + 1));
  return parsed.href;
}

import type { PublicResponse } from '../../providers/providers.ts';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { hostileTokens } from './hostile-tokens.ts';
import { errorCode, openMediaClient, type MediaClient } from './media-client.ts';
import { toneWav } from './tone-wav.ts';

/** Words that an answer to a stranger must not hold: they would tell how the Worker is built. */
const LEAK = /\bat\s+\S+\s+\(|\.ts:\d|postgres|hyperdrive|secret|stack/i;

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
      const note = async (name: string, expected: number, asked: Promise<PublicResponse>): Promise<void> => {
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
        for (const attempt of strangersRequests(stranger, key))
          await note(attempt.name, attempt.expected, attempt.ask());
        const { url } = await owner.signFile(key);
        for (const attempt of alteredLinks(url, owner.userId, stranger.userId))
          await note(attempt.name, 403, owner.follow(attempt.url));
        const body = toneWav(0.05, 300);
        await note('a signed GET used to PUT', 403, owner.follow(url, { method: 'PUT', body }));
        const signed = await owner.signUpload({
          filename: 'a.wav',
          contentType: 'audio/wav',
          sizeBytes: body.byteLength,
        });
        const put = (link: string, type: string, bytes: Uint8Array): Promise<PublicResponse> =>
          owner.follow(link, { method: 'PUT', headers: { 'content-type': type }, body: bytes });
        await note('a signed PUT of another type', 400, put(signed.url, 'text/html', body));
        await note('a signed PUT of another length', 400, put(signed.url, 'audio/wav', toneWav(0.1, 300)));
        await note('a signed PUT used to GET', 403, owner.follow(signed.url));
        const longer = new URL(signed.url);
        longer.searchParams.set('len', String(toneWav(0.1, 300).byteLength));
        await note('a signed PUT with its length changed', 403, put(longer.href, 'audio/wav', toneWav(0.1, 300)));
        await owner.remove(signed.key);
        const expired = await owner.expiredLink(key);
        if (expired !== null) await note('a link replayed after its end', 403, owner.follow(expired));
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

/** What a signed-in stranger asks of somebody else's file, and keys that lead out of their own. */
function strangersRequests(
  stranger: MediaClient,
  key: string,
): { name: string; expected: number; ask: () => Promise<PublicResponse> }[] {
  const encoded = encodeURIComponent(key);
  const get = (path: string) => () => stranger.request(path);
  const own = `users/${stranger.userId}`;
  const traversals = [
    ['path traversal', encodeURIComponent(`${own}/../../${key}`)],
    ['path traversal, encoded twice', encodeURIComponent(`${own}/%2e%2e/%2e%2e/${key}`)],
    ['an empty part in the key', encodeURIComponent(`users//${key}`)],
    ['a null byte in the key', encodeURIComponent(`${own}/uploads/a.wav\0.mp3`)],
    ['a key outside of the known prefixes', encodeURIComponent('secrets/keys.json')],
    ['a key of more bytes than R2 takes', `${own}/uploads/${'a'.repeat(1025)}`],
  ] as const;
  return [
    { name: "another user's key", expected: 403, ask: get(`/api/sign-file?key=${encoded}`) },
    { name: "another user's key as a download", expected: 403, ask: get(`/api/sign-file?key=${encoded}&download=1`) },
    { name: "another user's file, streamed", expected: 403, ask: get(`/api/stream?key=${encoded}`) },
    // A backslash is a character of a key like any other: what it makes is nobody's folder, and not the stranger's own.
    {
      name: 'path traversal with a backslash',
      expected: 403,
      ask: get(`/api/sign-file?key=${encodeURIComponent(`${own}\\..\\${key}`)}`),
    },
    { name: "another user's file, deleted", expected: 403, ask: () => stranger.remove(key) },
    ...traversals.map(([name, path]) => ({ name, expected: 400, ask: get(`/api/sign-file?key=${path}`) })),
    { name: 'the ledger, without the test secret', expected: 404, ask: () => stranger.post('/api/test/limits', {}) },
  ];
}

/** A signed link with one thing changed in each: none may open anything. */
function alteredLinks(url: string, owner: string, stranger: string): { name: string; url: string }[] {
  const changed = (change: (link: URL) => void): string => {
    const link = new URL(url);
    change(link);
    return link.href;
  };
  const set = (name: string, value: string): string => changed((link) => link.searchParams.set(name, value));
  const signature = new URL(url).searchParams.get('sig') ?? '';
  const middle = Math.floor(signature.length / 2);
  const other = signature[middle] === 'A' ? 'B' : 'A';
  const expires = Number(new URL(url).searchParams.get('exp'));
  return [
    { name: 'a link for another key', url: url.replace(owner, stranger) },
    { name: 'a link without its query', url: url.split('?')[0] ?? url },
    {
      name: 'a link with one letter of its signature changed',
      url: set('sig', signature.slice(0, middle) + other + signature.slice(middle + 1)),
    },
    { name: 'a link with its signature cut', url: set('sig', signature.slice(0, -1)) },
    { name: 'a link without its signature', url: changed((link) => link.searchParams.delete('sig')) },
    { name: 'a link that lives longer than signed', url: set('exp', String(expires + 3600)) },
    { name: 'a link whose end is no number', url: set('exp', 'never') },
    { name: 'a link by a key that nobody has', url: set('kid', 'nobody') },
    { name: 'a link for another method', url: set('m', 'PUT') },
    { name: 'a link with a parameter that was not signed', url: set('admin', '1') },
    { name: 'a link that became a download', url: set('dl', '1') },
    {
      name: 'a link with its end named twice',
      url: changed((link) => link.searchParams.append('exp', String(expires))),
    },
  ];
}

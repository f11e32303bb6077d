import { describe, expect, it } from 'vitest';
import type { Env } from './env.ts';
import { signUrl, verifySignedUrl } from './signed-url.ts';

const keys = (...ids: string[]): Env =>
  // The only three fields that signing reads.
  ({
    SIGNING_KEYS: JSON.stringify(ids.map((id) => ({ id, secret: `secret of ${id}` }))),
    SIGNED_URL_SECONDS: '60',
    MEDIA_ORIGIN: 'https://media.example',
  }) as Env;
const KEY = 'users/ada/uploads/a song+%.wav';
const AT = Date.UTC(2026, 0, 1);

describe('a signed URL', () => {
  it('holds until its last second and not after it', async () => {
    const env = keys('one');
    const { url, expiresAt } = await signUrl(env, { method: 'GET', key: KEY }, AT);
    expect(expiresAt).toBe('2026-01-01T00:01:00.000Z');
    const verify = (now: number) => verifySignedUrl(env, 'GET', KEY, new URL(url), now);
    expect(await verify(AT + 60_000)).toMatchObject({ key: KEY, method: 'GET' });
    await expect(verify(AT + 60_001)).rejects.toMatchObject({ code: 'SIGNATURE_EXPIRED', status: 403 });
  });

  it('still holds while its key is the older one of two, and no longer when it is gone', async () => {
    const { url } = await signUrl(keys('old'), { method: 'GET', key: KEY }, AT);
    const verify = (env: Env) => verifySignedUrl(env, 'GET', KEY, new URL(url), AT);
    expect(await verify(keys('new', 'old'))).toMatchObject({ key: KEY });
    await expect(verify(keys('new'))).rejects.toMatchObject({ code: 'SIGNATURE_INVALID' });
  });

  it('allows HEAD where it allows GET, and nothing else', async () => {
    const env = keys('one');
    const { url } = await signUrl(env, { method: 'GET', key: KEY }, AT);
    expect(await verifySignedUrl(env, 'HEAD', KEY, new URL(url), AT)).toMatchObject({ method: 'GET' });
    for (const method of ['PUT', 'POST', 'DELETE']) {
      await expect(verifySignedUrl(env, method, KEY, new URL(url), AT)).rejects.toMatchObject({ status: 403 });
    }
  });
});

import { request } from 'undici';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deployWorker, type DeployedWorker } from './deployed-worker.ts';

/*
 * Keys belong to whoever stored them. Each of these is valid in R2, and is served as it is: by a signed link, streamed,
 * and from legacy. `servable-key.test.ts` has the rule itself.
 */
const NAMES = [
  'Wait... what.mp3',
  'a..b.wav',
  '5 p.m..wav',
  '..lead.mp3',
  '100%25 sure.mp3',
  '100%2Foff.mp3',
  '50%.mp3',
  'what? #1 & more+plus.mp3',
  'a\\b.mp3',
  'Déjà vu.mp3',
  '音楽.mp3',
  'x'.repeat(1000),
];
const keyOf = (name: string): string => `library/originals/${name}`;
const bytesOf = (name: string): Uint8Array => new TextEncoder().encode(`the bytes of ${name}`);

let worker: DeployedWorker;
beforeAll(async () => {
  worker = await deployWorker({ legacy: true });
  for (const name of NAMES) {
    await worker.putR2(keyOf(name), bytesOf(name));
    await worker.query('insert into library_tracks (title, file_key) values ($1, $2)', [name, keyOf(name)]);
  }
});
afterAll(() => worker.close());

const read = async (response: Response): Promise<[number, string]> => [response.status, await response.text()];

describe('a key of somebody else', () => {
  it.each(NAMES.map((name) => ({ name, short: name.slice(0, 30) })))('$short is served', async ({ name }) => {
    const expected = [200, `the bytes of ${name}`];
    const { enterprise } = worker.users;
    for (const build of ['r2', 'bypass'] as const) {
      expect(await read(await worker.ask(await worker.sign(enterprise, keyOf(name)), { build }))).toEqual(expected);
      const stream = `/api/stream?key=${encodeURIComponent(keyOf(name))}`;
      expect(await read(await worker.ask(stream, { as: enterprise, build }))).toEqual(expected);
    }
  });

  it('names the file that a browser saves, in the link past the Worker too', async () => {
    const direct = await deployWorker({ legacy: false, vars: { SIGNED_URL_MODE: 's3' } });
    try {
      const dispositionIn = async (at: DeployedWorker): Promise<string | null> => {
        const userId = at.users.enterprise;
        const key = `users/${userId}/uploads/Don't “Stop” (100%).mp3`;
        await at.putR2(key, bytesOf(key));
        const signed = await at.ask(`/api/sign-file?key=${encodeURIComponent(key)}&download=1`, { as: userId });
        const { url } = (await signed.json()) as { url: string };
        const response = at === direct ? await fetch(url) : await at.ask(url);
        expect(await read(response)).toEqual([200, `the bytes of ${key}`]);
        // Miniflare's bucket takes the parameter and does not act on it, so here the link is looked at.
        return at === direct
          ? new URL(url).searchParams.get('response-content-disposition')
          : response.headers.get('content-disposition');
      };
      const expected = `attachment; filename="Don't _Stop_ (100_).mp3"; filename*=UTF-8''Don%27t%20%E2%80%9CStop%E2%80%9D%20%28100%25%29.mp3`;
      expect([await dispositionIn(worker), await dispositionIn(direct)]).toEqual([expected, expected]);
    } finally {
      await direct.close();
    }
  });

  it.each(['Wait... old.mp3', '..old.mp3', 'old (1) + 5 p.m..mp3'])('%s is served from legacy too', async (name) => {
    const key = `users/${worker.users.enterprise}/uploads/${name}`;
    await worker.putLegacy(key.split('/').map(encodeURIComponent).join('/'), bytesOf(name));
    const response = await worker.ask(await worker.sign(worker.users.enterprise, key));
    expect(response.headers.get('x-audafact-source')).toBe('legacy');
    expect(await read(response)).toEqual([200, `the bytes of ${name}`]);
    await expect.poll(() => worker.inR2(key)).toEqual(bytesOf(name));
  });

  it('has its own type, whatever the script of its parameters', async () => {
    const { enterprise } = worker.users;
    const key = `users/${enterprise}/uploads/typed.mp3`;
    for (const contentType of ['audio/mpeg; name="Déjà.mp3"', 'audio/mpeg; name="音楽.mp3"']) {
      await worker.putR2(key, bytesOf('typed.mp3'), { contentType });
      const { pathname, search } = new URL(await worker.sign(enterprise, key));
      const answer = await request(new URL(`${pathname}${search}`, worker.address));
      expect(await answer.body.text()).toBe('the bytes of typed.mp3');
      // Clients read header bytes as Latin-1; these are those of UTF-8.
      const type = String(answer.headers['content-type']);
      expect([answer.statusCode, Buffer.from(type, 'latin1').toString('utf8')]).toEqual([200, contentType]);
    }
  });

  it('is deleted where legacy could never have held it', async () => {
    const { enterprise } = worker.users;
    const key = `users/${enterprise}/uploads/Déjà vu 100%.mp3`;
    await worker.putR2(key, bytesOf(key));
    const response = await worker.ask('/api/delete-file', {
      as: enterprise,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    expect([response.status, await worker.inR2(key)]).toEqual([200, null]);
    expect((await worker.ask(await worker.sign(enterprise, key))).status).toBe(404);
  });

  it('is deleted by its owner, and no other with it', async () => {
    const key = `users/${worker.users.enterprise}/uploads/a..b.wav`;
    const other = `users/${worker.users.enterprise}/uploads/a.b.wav`;
    for (const one of [key, other]) await worker.putR2(one, bytesOf(one));
    const response = await worker.ask('/api/delete-file', {
      as: worker.users.enterprise,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ key }),
    });
    expect(response.status).toBe(200);
    expect([await worker.inR2(key), await worker.inR2(other)]).toEqual([null, bytesOf(other)]);
  });
});

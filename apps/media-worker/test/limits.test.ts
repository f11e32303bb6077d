import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { deployWorker, LIMITS, type DeployedWorker } from './deployed-worker.ts';

let worker: DeployedWorker;
beforeAll(async () => {
  worker = await deployWorker({ legacy: false });
});
afterAll(() => worker.close());
beforeEach(async () => {
  for (const user of Object.values(worker.users)) await worker.arrange(user, { clear: true, skewSeconds: 0 });
});

const CLIENTS = 50;
type Tier = keyof typeof LIMITS;
const TIERS = Object.keys(LIMITS) as Tier[];

const signFile = (tier: Tier, name: string, query = ''): Promise<Response> =>
  worker.ask(`/api/sign-file?key=users/${worker.users[tier]}/uploads/${name}.wav${query}`, { as: worker.users[tier] });
const signUpload = (tier: Tier, sizeBytes = 10): Promise<Response> =>
  worker.ask('/api/sign-upload', {
    method: 'POST',
    as: worker.users[tier],
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ filename: 'a.wav', contentType: 'audio/wav', sizeBytes }),
  });

/** How many of fifty at once were let through, and by which rule the others were refused. */
async function rush(ask: (index: number) => Promise<Response>): Promise<{ passed: number; refusedBy: string[] }> {
  const answers = await Promise.all(Array.from({ length: CLIENTS }, (_, index) => ask(index)));
  const refused = answers.filter((answer) => answer.status === 429);
  for (const answer of refused) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(answers.filter((answer) => ![200, 429].includes(answer.status))).toEqual([]);
  const rules = refused.map((answer) => answer.headers.get('x-ratelimit-rule') ?? 'none');
  return { passed: CLIENTS - refused.length, refusedBy: [...new Set(rules)] };
}

describe.each(TIERS)('a %s user, asked for by fifty clients at once', (tier) => {
  const limits = LIMITS[tier];
  const user = (): string => worker.users[tier];

  it('has exactly so many links alive', async () => {
    const passed = Math.min(limits.liveUrls, CLIENTS);
    const refusedBy = passed < CLIENTS ? ['liveUrls'] : [];
    expect(await rush((index) => signFile(tier, `f${index}`))).toEqual({ passed, refusedBy });
  });

  it('hears exactly so many previews an hour, and again in the next', async () => {
    await worker.arrange(user(), { usage: { previews: limits.previewsPerHour - 2 } });
    expect(await rush((index) => signFile(tier, `f${index}`))).toEqual({ passed: 2, refusedBy: ['previews'] });
    await worker.arrange(user(), { skewSeconds: 3600 });
    expect((await signFile(tier, 'next')).status).toBe(200);
  });

  it('downloads exactly so many files a day, and again on the next', async () => {
    await worker.arrange(user(), { usage: { downloads: limits.downloadsPerDay - 2 } });
    expect(await rush((index) => signFile(tier, `f${index}`, '&download=1'))).toEqual({
      passed: 2,
      refusedBy: ['downloads'],
    });
    await worker.arrange(user(), { skewSeconds: 86_400 });
    expect((await signFile(tier, 'next', '&download=1')).status).toBe(200);
  });

  it('uploads exactly so many files a day, and again on the next', async () => {
    await worker.arrange(user(), { usage: { uploads: limits.uploadsPerDay - 2 } });
    expect(await rush(() => signUpload(tier))).toEqual({ passed: 2, refusedBy: ['uploads'] });
    await worker.arrange(user(), { skewSeconds: 86_400 });
    expect((await signUpload(tier)).status).toBe(200);
  });

  it('uploads exactly so many bytes a day', async () => {
    await worker.arrange(user(), { usage: { uploadBytes: limits.uploadBytesPerDay - 25 } });
    expect(await rush(() => signUpload(tier, 10))).toEqual({ passed: 2, refusedBy: ['uploadBytes'] });
    expect((await signUpload(tier, 5)).status).toBe(200);
    expect((await signUpload(tier, 1)).status).toBe(429);
  });

  it('uploads no larger file than its tier allows', async () => {
    expect((await signUpload(tier, limits.largestFile)).status).toBe(200);
    expect((await signUpload(tier, limits.largestFile + 1)).status).toBe(413);
  });
});

describe('a ledger', () => {
  it('says on every answer how the user stands', async () => {
    const { free } = worker.users;
    for (const path of ['/api/library', '/api/uploads', `/api/sign-file?key=users/${free}/uploads/x.wav`]) {
      const { headers } = await worker.ask(path, { as: free });
      expect(Number(headers.get('x-ratelimit-limit'))).toBeGreaterThan(0);
      expect(Number(headers.get('x-ratelimit-remaining'))).toBeGreaterThanOrEqual(0);
      expect(Number(headers.get('x-ratelimit-reset'))).toBeGreaterThan(Date.now() / 1000 - 1);
    }
  });

  it('counts a file once while its link is alive', async () => {
    for (let i = 0; i < 10; i++) expect((await signFile('free', 'same')).status).toBe(200);
    expect((await signFile('free', 'same')).headers.get('x-ratelimit-remaining')).toBe('99');
  });

  it('frees the link of a file that is deleted, and the quota of an upload that is given up', async () => {
    const { free } = worker.users;
    const json = (body: unknown) => ({
      method: 'POST',
      as: free,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const keys: string[] = [];
    for (let i = 0; i < 3; i++) keys.push(((await (await signUpload('free')).json()) as { key: string }).key);
    expect((await signUpload('free')).status).toBe(429);
    expect((await worker.ask('/api/abort-upload', json({ key: keys[0] }))).status).toBe(200);
    expect((await signUpload('free')).status).toBe(200);
    expect((await worker.ask('/api/delete-file', json({ key: keys[1] }))).status).toBe(200);
    expect((await signUpload('free')).status).toBe(200);
  });

  it('frees the quota of an upload that never came, once nobody can be sending it any more', async () => {
    await worker.arrange(worker.users.free, { usage: { uploads: 4 } });
    expect((await signUpload('free')).status).toBe(200);
    expect((await signUpload('free')).status).toBe(429);
    await worker.arrange(worker.users.free, { skewSeconds: 60 + 15 * 60 + 1 });
    expect((await signUpload('free')).status).toBe(200);
  });

  it('can be set by nobody without the test secret', async () => {
    const ask = (secret: Record<string, string>) =>
      worker.ask('/api/test/limits', {
        method: 'POST',
        as: worker.users.free,
        headers: { 'content-type': 'application/json', ...secret },
        body: '{"clear":true}',
      });
    expect((await ask({})).status).toBe(404);
    expect((await ask({ 'x-test-secret': 'guess' })).status).toBe(404);
  });

  it('lets a signed upload come once: the same link brings no second file', async () => {
    const signed = (await (await signUpload('free', 4)).json()) as { url: string; key: string };
    const put = (body: string) =>
      worker.ask(signed.url, { method: 'PUT', headers: { 'content-type': 'audio/wav', 'content-length': '4' }, body });
    expect((await put('one.')).status).toBe(201);
    expect((await put('two.')).status).toBe(201);
    expect(Buffer.from((await worker.inR2(signed.key)) ?? []).toString()).toBe('one.');
    expect((await signFile('free', 'x')).headers.get('x-ratelimit-remaining')).toBe('99');
    const uploads = await worker.ask('/api/uploads', { as: worker.users.free });
    expect(uploads.headers.get('x-ratelimit-remaining')).toBe('4');
  });
});

import { describe, expect, it } from 'vitest';
import { createRateLimit } from './api-rate-limit.ts';
import { account_id, failure, startTestAccount, token } from './api-test-account.ts';

const queues = `/accounts/${account_id}/queues`;

// https://developers.cloudflare.com/fundamentals/api/reference/limits/ and its page of headers
describe('the API of Cloudflare', () => {
  it('takes 1,200 calls of a token in five minutes, and no call for the five minutes after one more', () => {
    let at = 1_000_000;
    const limit = createRateLimit({ now: () => at });
    for (let call = 1; call <= 1200; call++) expect(limit.count().retryAfterSeconds).toBeNull();
    at += 60_000;
    expect(limit.count()).toMatchObject({ retryAfterSeconds: 300, headers: { 'retry-after': '300' } });
    at += 299_500;
    expect(limit.count().retryAfterSeconds).toBe(1);
    at += 500;
    expect(limit.count().headers).toEqual({
      ratelimit: '"default";r=1199;t=300',
      'ratelimit-policy': '"default";q=1200;w=300',
    });
  });

  it('counts anew when five minutes are over', () => {
    let at = 0;
    const limit = createRateLimit({ now: () => at });
    for (let call = 0; call < 5000; call++) {
      expect(limit.count().retryAfterSeconds).toBeNull();
      at += 300;
    }
  });

  it('answers 429 in its envelope with retry-after, whatever is asked, and the SDK sees it', async () => {
    let at = 0;
    const rateLimit = createRateLimit({ calls: 2, now: () => at });
    const { client, call } = await startTestAccount(undefined, { rateLimit });
    await call('GET', queues);
    await call('POST', queues, { queue_name: 'one' });
    const refused = await call('POST', queues, { queue_name: 'two' });
    expect(refused).toMatchObject(failure(429, 971));
    const error: unknown = await client.queues.list({ account_id }).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ status: 429 });
    expect((error as { headers: Headers }).headers.get('retry-after')).toBe('300');
    at += 300_000;
    const names = ((await call('GET', queues)).body.result as { queue_name: string }[]).map((one) => one.queue_name);
    expect(names).toEqual(['one']);
  });

  it('does not count who has no token against who has', async () => {
    const rateLimit = createRateLimit({ calls: 1 });
    const { call } = await startTestAccount(undefined, { rateLimit });
    for (let time = 0; time < 3; time++) await call('GET', queues, undefined, { authorization: 'Bearer wrong' });
    expect((await call('GET', queues)).status).toBe(200);
    expect((await call('GET', queues, undefined, { authorization: `Bearer ${token}` })).status).toBe(429);
  });

  it('lists queues by name and in pages, as wrangler asks for them', async () => {
    const { call } = await startTestAccount();
    for (const name of ['one', 'two', 'three']) await call('POST', queues, { queue_name: name });
    const names = async (query: string): Promise<unknown[]> =>
      ((await call('GET', `${queues}?${query}`)).body.result as { queue_name: string }[]).map((one) => one.queue_name);
    expect(await names('page=1')).toEqual(['one', 'two', 'three']);
    expect(await names('page=2')).toEqual([]);
    expect(await names('page=2&per_page=2')).toEqual(['three']);
    expect(await names('name=two&page=1')).toEqual(['two']);
    expect(await names('name=none')).toEqual([]);
  });
});

import { describe, expect, it } from 'vitest';
import type { Step } from '../../rollout/plan.ts';
import { dnsStep } from './dns-step.ts';
import { MEDIA_HOST, startSmallAccount, type SmallAccount } from './fixtures/small-account.ts';

const step = dnsStep(false);
const wanted = { type: 'A', name: MEDIA_HOST, content: '192.0.2.1', ttl: 1, proxied: true };
const theirs = { ...wanted, content: '203.0.113.7', ttl: 120, proxied: false, comment: 'the old lab' };

const records = async ({ cloudflare }: SmallAccount) =>
  (await cloudflare.listDnsRecords(MEDIA_HOST)).map(({ id: _id, ...fields }) => fields);
const lines = async (account: SmallAccount, one: Step): Promise<string[]> =>
  (await account.planned(one)).map(({ method, path }) => `${method} ${path.split('/')[3]}`);

describe("the record of staging's media host", () => {
  it('is made with our mark, seen at every resolver, and made once', async () => {
    const account = await startSmallAccount();
    expect(await lines(account, step as Step)).toEqual(['POST dns_records']);
    expect(account.calls()).toEqual([]);
    const { before } = await account.take(step);
    expect(await records(account)).toEqual([{ ...wanted, comment: 'crossfade: media host of staging' }]);
    expect(await step.verify(account.context, before)).toMatchObject({ status: 'pass' });
    expect((await account.take(step)).result).toEqual({ already: true });
    expect(await lines(account, step as Step)).toEqual([]);
    expect(account.calls()).toEqual(['POST dns_records']);
  });

  it('is not proven while a resolver does not lead to the edge', async () => {
    const account = await startSmallAccount();
    const { before } = await account.take(step);
    const [made] = await account.cloudflare.listDnsRecords(MEDIA_HOST);
    await account.cloudflare.patchDnsRecord(made?.id ?? '', { proxied: false });
    expect(await step.verify(account.context, before)).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('192.0.2.1'),
    });
  });

  it.each([
    ['its content', { content: '203.0.113.7' }],
    ['its proxy', { proxied: false, ttl: 300 }],
  ])('is corrected where somebody changed %s, and goes back when that is undone', async (_what, change) => {
    const account = await startSmallAccount();
    await account.take(step);
    const [made] = await account.cloudflare.listDnsRecords(MEDIA_HOST);
    await account.cloudflare.patchDnsRecord(made?.id ?? '', change);
    const drifted = await records(account);
    expect(await lines(account, step as Step)).toEqual(['PATCH dns_records']);
    const { before } = await account.take(step);
    expect(await records(account)).toEqual([{ ...wanted, comment: 'crossfade: media host of staging' }]);
    await step.compensate(account.context, before);
    expect(await records(account)).toEqual(drifted);
    expect(await step.compensate(account.context, before)).toEqual({ already: true });
  });

  it('is left alone when somebody else made it, unless the operator says otherwise', async () => {
    const account = await startSmallAccount();
    await account.cloudflare.createDnsRecord(theirs);
    await expect(account.take(step)).rejects.toThrow('A staging.media.audafact.com → 203.0.113.7 was not made by');
    expect(await records(account)).toEqual([theirs]);
    const { before } = await account.take(dnsStep(true));
    expect(await records(account)).toEqual([{ ...wanted, comment: 'crossfade: media host of staging' }]);
    await step.compensate(account.context, before);
    expect(await records(account)).toEqual([theirs]);
  });

  it('is used as it is when it is just what is wanted, and stays theirs', async () => {
    const account = await startSmallAccount();
    await account.cloudflare.createDnsRecord({ ...wanted, comment: 'made by hand' });
    const { before } = await account.take(step);
    await step.compensate(account.context, before);
    expect(await records(account)).toEqual([{ ...wanted, comment: 'made by hand' }]);
    expect(account.calls()).toEqual(['POST dns_records']);
  });

  it('is not chosen from several', async () => {
    const account = await startSmallAccount();
    for (const content of ['203.0.113.7', '203.0.113.8'])
      await account.cloudflare.createDnsRecord({ ...theirs, content });
    await expect(account.take(dnsStep(true))).rejects.toThrow('has 2 address records, expected 1');
  });

  it('goes when it was made in vain, and comes back when it is gone', async () => {
    const account = await startSmallAccount();
    const { before } = await account.take(step);
    const { before: later } = await account.take(step);
    await step.compensate(account.context, before);
    expect(await records(account)).toEqual([]);
    expect(await step.compensate(account.context, before)).toEqual({ deleted: [] });
    await step.compensate(account.context, later);
    expect(await records(account)).toHaveLength(1);
  });
});

import { expect, test } from 'vitest';
import { failure, startTestAccount, zone_id } from './api-test-account.ts';

const records = `/zones/${zone_id}/dns_records`;
const media = { type: 'A' as const, name: 'media.audafact.com', content: '127.0.0.21', ttl: 300 };

test('the cutover is one edit: the record becomes proxied, its TTL reads back as automatic', async () => {
  const { api, client } = await startTestAccount();
  const created = await client.dns.records.create({ zone_id, ...media, proxied: false, comment: 'legacy' });
  expect(created).toMatchObject({ ...media, proxied: false, comment: 'legacy', proxiable: true });
  const edit = {
    zone_id,
    type: 'A' as const,
    name: 'media.audafact.com',
    content: '192.0.2.1',
    ttl: 60 as const,
    proxied: true,
  };
  const edited = await client.dns.records.edit(created.id, edit);
  expect(edited).toMatchObject({ id: created.id, content: '192.0.2.1', ttl: 1, proxied: true, comment: 'legacy' });
  expect(api.records()).toEqual([
    { name: 'media.audafact.com', type: 'A', content: '192.0.2.1', ttl: 300, proxied: true, priority: null },
  ]);
});

test('a record can be patched by one member alone, and replaced as a whole', async () => {
  const { client, call } = await startTestAccount();
  const { id } = await client.dns.records.create({ zone_id, ...media, comment: 'legacy' });
  const patched = await call('PATCH', `${records}/${id}`, { ttl: 60 });
  expect(patched.body.result).toMatchObject({ ...media, ttl: 60, comment: 'legacy' });
  const replaced = await client.dns.records.update(id, { zone_id, ...media, content: '127.0.0.22' });
  expect(replaced).toMatchObject({ id, content: '127.0.0.22', ttl: 300, comment: null });
  await client.dns.records.delete(id, { zone_id });
  expect(await call('GET', `${records}/${id}`)).toMatchObject(failure(404, 81044));
  expect(await call('PATCH', `${records}/${id}`, { ttl: 60 })).toMatchObject(failure(404, 81044));
});

test('records are filtered by name, exact name, type and content, and listed page by page', async () => {
  const { client, call } = await startTestAccount();
  await client.dns.records.create({ zone_id, ...media });
  await client.dns.records.create({ zone_id, type: 'A', name: '@', content: '127.0.0.41', ttl: 1, proxied: true });
  await client.dns.records.create({
    zone_id,
    type: 'CNAME',
    name: 'www',
    content: 'audafact.com',
    ttl: 1,
    proxied: true,
  });
  const names = async (query: string) =>
    ((await call('GET', `${records}?${query}`)).body.result as { name: string }[]).map((one) => one.name);
  expect(await names('name=media.audafact.com')).toEqual(['media.audafact.com']);
  expect(await names('type=CNAME')).toEqual(['www.audafact.com']);
  expect(await names('content=127.0.0.41')).toEqual(['audafact.com']);
  const exact = await client.dns.records.list({ zone_id, name: { exact: 'www.audafact.com' } });
  expect(exact.result.map((one) => one.name)).toEqual(['www.audafact.com']);
  const all = [];
  for await (const one of client.dns.records.list({ zone_id, per_page: 2 })) all.push(one.name);
  expect(all).toEqual(['audafact.com', 'media.audafact.com', 'www.audafact.com']);
  const page = await call('GET', `${records}?per_page=2&page=2`);
  expect(page.body['result_info']).toEqual({ page: 2, per_page: 2, count: 1, total_count: 3, total_pages: 2 });
});

test('records that clash with others are refused in the vendor codes', async () => {
  const { client, call } = await startTestAccount();
  await client.dns.records.create({ zone_id, ...media });
  expect(await call('POST', records, media)).toMatchObject(failure(400, 81058));
  expect(await call('POST', records, { ...media, ttl: 600 })).toMatchObject(failure(400, 81057));
  const alias = { type: 'CNAME', name: 'media', content: 'audafact.com', ttl: 300 };
  expect(await call('POST', records, alias)).toMatchObject(failure(400, 81053));
});

test('a record that cannot be is refused as 1004 with the reason in its chain', async () => {
  const { call } = await startTestAccount();
  const reasons: [object, number][] = [
    [{ ...media, content: 'nonsense' }, 9005],
    [{ ...media, ttl: 45 }, 9021],
    [{ ...media, ttl: 100_000 }, 9207],
    [{ type: 'TXT', name: 'x', content: 'text', ttl: 300, proxied: true }, 9004],
    [{ ...media, tags: ['owner:me'] }, 9300],
  ];
  for (const [record, code] of reasons) {
    const answer = await call('POST', records, record);
    expect(answer).toMatchObject(failure(400, 1004));
    expect(answer.body.errors).toMatchObject([{ error_chain: [{ code }] }]);
  }
});

test('a batch happens as a whole in the order deletes, patches, puts, posts, or not at all', async () => {
  const { api, client, call } = await startTestAccount();
  const { id } = await client.dns.records.create({ zone_id, ...media });
  const { id: other } = await client.dns.records.create({ zone_id, ...media, name: 'old' });
  const clash = { type: 'CNAME', name: 'media', content: 'audafact.com', ttl: 300 };
  const before = api.records();
  const refused = await call('POST', `${records}/batch`, { deletes: [{ id: other }], posts: [clash] });
  expect(refused).toMatchObject(failure(400, 81053));
  expect(api.records()).toEqual(before);

  const done = await client.dns.records.batch({
    zone_id,
    deletes: [{ id }],
    patches: [{ id: other, type: 'A', name: 'old.audafact.com', ttl: 1, content: '127.0.0.99' }],
    posts: [{ type: 'CNAME', name: 'media', content: 'audafact.com', ttl: 300 }],
  });
  expect(done.deletes?.map((one) => one.id)).toEqual([id]);
  expect(done.patches?.[0]).toMatchObject({ id: other, content: '127.0.0.99' });
  expect(done.posts?.[0]).toMatchObject({ type: 'CNAME', name: 'media.audafact.com' });
  expect(api.records().map(({ type, name }) => [type, name])).toEqual([
    ['A', 'old.audafact.com'],
    ['CNAME', 'media.audafact.com'],
  ]);
});

test('the zone is exported as BIND text', async () => {
  const { client, call } = await startTestAccount();
  await client.dns.records.create({ zone_id, ...media });
  await client.dns.records.create({
    zone_id,
    type: 'MX',
    name: '@',
    content: 'mail.audafact.com',
    ttl: 1,
    priority: 10,
  });
  const { text } = await call('GET', `${records}/export`);
  expect(text).toContain('media.audafact.com.\t300\tIN\tA\t127.0.0.21 ; cf_tags=cf-proxied:false');
  expect(text).toContain('audafact.com.\t1\tIN\tMX\t10 mail.audafact.com. ');
});

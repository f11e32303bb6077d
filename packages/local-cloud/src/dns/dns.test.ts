import { Resolver } from 'node:dns/promises';
import { afterEach, expect, it } from 'vitest';
import { startAuthority, type ZoneRecord } from './authority.ts';
import type { DnsServer } from './message.ts';
import { startResolver } from './resolver.ts';

const servers: DnsServer[] = [];
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

let records: ZoneRecord[] = [];
const record = (change: Partial<ZoneRecord> = {}): ZoneRecord => ({
  name: 'media.example.com',
  type: 'A',
  content: '127.0.0.1',
  ttl: 60,
  proxied: false,
  ...change,
});

async function authority(): Promise<string> {
  const server = await startAuthority({
    address: '127.0.0.1',
    port: 0,
    zoneName: 'example.com',
    records: () => records,
    edgeFor: () => '127.0.0.99',
  });
  servers.push(server);
  return server.address;
}
async function resolver(ttlScale: number, at: string, holdFactor = 1) {
  const server = await startResolver({ address: '127.0.0.1', port: 0, authority: at, ttlScale, holdFactor });
  servers.push(server);
  return server;
}
function client(server: string): Resolver {
  const made = new Resolver({ timeout: 500, tries: 2 });
  made.setServers([server]);
  return made;
}
const address = async (server: string, name = 'media.example.com') => (await client(server).resolve4(name))[0];

it('answers for its zone, follows an alias, and tells a missing name from a missing type', async () => {
  records = [record(), record({ name: 'www.example.com', type: 'CNAME', content: 'media.example.com' })];
  const at = client(await authority());
  expect(await at.resolve4('MEDIA.example.com', { ttl: true })).toEqual([{ address: '127.0.0.1', ttl: 60 }]);
  expect(await at.resolve4('www.example.com')).toEqual(['127.0.0.1']);
  await expect(at.resolve4('nobody.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  await expect(at.resolve6('media.example.com')).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(at.resolve4('example.org')).rejects.toMatchObject({ code: 'EREFUSED' });
});

it("answers a proxied name with the edge's address and Cloudflare's own TTL", async () => {
  records = [record({ proxied: true, content: '192.0.2.1', ttl: 60 })];
  expect(await client(await authority()).resolve4('media.example.com', { ttl: true })).toEqual([
    { address: '127.0.0.99', ttl: 300 },
  ]);
});

it('keeps an answer for its TTL and no longer, and a slow resolver for longer', async () => {
  records = [record({ ttl: 60 })];
  const at = await authority();
  const [quick, slow] = [await resolver(60, at), await resolver(60, at, 3)];
  expect([await address(quick.address), await address(slow.address)]).toEqual(['127.0.0.1', '127.0.0.1']);
  const since = Date.now();
  records = [record({ content: '127.0.0.2' })];
  expect(await address(quick.address)).toBe('127.0.0.1');
  const moved = async (server: string): Promise<number> => {
    while ((await address(server)) !== '127.0.0.2') await new Promise((resolve) => setTimeout(resolve, 50));
    return Date.now() - since;
  };
  const [quickMs, slowMs] = await Promise.all([moved(quick.address), moved(slow.address)]);
  expect(quickMs).toBeLessThan(2000);
  expect(slowMs).toBeGreaterThan(2000);
});

it('gives what it has while a scenario keeps it from asking, whatever the TTL', async () => {
  records = [record({ ttl: 60 })];
  let stale = true;
  const server = await startResolver({
    address: '127.0.0.1',
    port: 0,
    authority: await authority(),
    ttlScale: 600,
    isStale: () => stale,
  });
  servers.push(server);
  expect(await address(server.address)).toBe('127.0.0.1');
  records = [record({ content: '127.0.0.2' })];
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(await client(server.address).resolve4('media.example.com', { ttl: true })).toEqual([
    { address: '127.0.0.1', ttl: 1 },
  ]);
  stale = false;
  expect(await address(server.address)).toBe('127.0.0.2');
});

it('remembers that a name does not exist, and asks once for many who ask at once', async () => {
  records = [record()];
  const at = await resolver(1, await authority());
  await Promise.all(Array.from({ length: 10 }, () => address(at.address)));
  expect(at.queries()).toBe(1);
  for (let i = 0; i < 3; i++)
    await expect(address(at.address, 'nobody.example.com')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  expect(at.queries()).toBe(2);
});

it('says that it failed when the authority does not answer', async () => {
  const at = await resolver(1, '127.0.0.1:9');
  await expect(client(at.address).resolve4('media.example.com')).rejects.toMatchObject({
    code: expect.stringMatching(/ESERVFAIL|ETIMEOUT/),
  });
});

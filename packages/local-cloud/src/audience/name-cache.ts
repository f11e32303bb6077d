import { Resolver } from 'node:dns/promises';

/** One device's memory of names: an address is kept for exactly the TTL that its resolver gave, as browsers do. */
export function createNameCache(resolverAddress: string): (name: string) => Promise<string> {
  const resolver = new Resolver({ timeout: 1000, tries: 3 });
  resolver.setServers([resolverAddress]);
  const kept = new Map<string, { until: number; address: string }>();
  const asking = new Map<string, Promise<string>>();
  const ask = async (name: string): Promise<string> => {
    const [record] = await resolver.resolve4(name, { ttl: true });
    if (record === undefined) throw new Error(`no address for ${name}`);
    kept.set(name, { until: Date.now() + record.ttl * 1000, address: record.address });
    return record.address;
  };
  return (name) => {
    const known = kept.get(name);
    if (known !== undefined && known.until > Date.now()) return Promise.resolve(known.address);
    const pending = asking.get(name) ?? ask(name).finally(() => asking.delete(name));
    asking.set(name, pending);
    return pending;
  };
}

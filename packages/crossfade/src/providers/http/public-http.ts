import { isIP } from 'node:net';
import { Agent, request } from 'undici';
import type { DnsProvider, PublicHttp } from '../providers.ts';
import { ProviderError } from '../provider-error.ts';

const TIMEOUT_MS = 10_000;
const LARGEST_BODY = 64 * 1024 * 1024;

/** HTTP as the public does it: the name is resolved by a configured resolver, and Host is what the URL says. */
export function createPublicHttp(dns: DnsProvider): PublicHttp & { close(): Promise<void> } {
  const agents = new Map<string, Agent>();
  const agentFor = (address: string): Agent => {
    const existing = agents.get(address);
    if (existing !== undefined) return existing;
    // The connection goes to `address`; TLS and Host keep the name of the URL.
    const agent = new Agent({
      connections: 64,
      connect: {
        lookup: (_name, options, done) => {
          if (options.all === true) done(null, [{ address, family: isIP(address) }]);
          else done(null, address, isIP(address));
        },
      },
    });
    agents.set(address, agent);
    return agent;
  };
  const resolve = async (name: string, resolver: number): Promise<string> => {
    if (isIP(name) !== 0) return name;
    const answers = await dns.atResolvers(name);
    const address = (answers[resolver] ?? answers[0])?.addresses[0];
    if (address === undefined) throw new ProviderError('DNS', `resolve ${name}`, { status: null, message: answers[resolver]?.error ?? 'no address' });
    return address;
  };
  return {
    async request(url, options = {}) {
      const target = new URL(url);
      const start = performance.now();
      const address = options.via ?? (await resolve(target.hostname, options.resolver ?? 0));
      try {
        const response = await request(target, {
          method: (options.method ?? 'GET') as 'GET',
          headers: { ...options.headers },
          body: options.body ?? null,
          dispatcher: agentFor(address),
          signal: AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS),
        });
        const chunks: Uint8Array[] = [];
        let size = 0;
        for await (const chunk of response.body) {
          chunks.push(chunk);
          size += chunk.byteLength;
          if (size > LARGEST_BODY) throw new Error(`the body is larger than ${LARGEST_BODY} bytes`);
        }
        const headers = Object.fromEntries(Object.entries(response.headers).map(([name, value]) => [name, String(value)]));
        return { status: response.statusCode, headers, body: Buffer.concat(chunks), ms: performance.now() - start, address };
      } catch (error) {
        throw new ProviderError(target.host, `${options.method ?? 'GET'} ${target.pathname}`, { status: null, message: error instanceof Error ? error.message : String(error) });
      }
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.close()));
    },
  };
}

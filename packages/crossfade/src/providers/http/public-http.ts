import { isIP } from 'node:net';
import { Agent, request, type Dispatcher } from 'undici';
import { askServer } from '../dns/dns-provider.ts';
import { ProviderError, unreachable } from '../provider-error.ts';
import type { PublicHttp } from '../providers.ts';

const TIMEOUT_MS = 10_000;
const LARGEST_BODY = 64 * 1024 * 1024;
const CONNECTIONS_PER_ADDRESS = 64;
const PROVIDER = 'public HTTP';

/**
 * Connects to `address` whatever the URL names; Host, port and TLS keep the URL's name. No proxy, whatever the environment
 * says: a proxy would resolve the name itself, and what is asked here is what the public gets from this address.
 */
function agentFor(address: string): Agent {
  const family = isIP(address);
  return new Agent({
    connections: CONNECTIONS_PER_ADDRESS,
    connect: {
      lookup: (_name, options, done) => {
        if (options.all === true) done(null, [{ address, family }]);
        else done(null, address, family);
      },
    },
  });
}

/**
 * HTTP as the public does it: the name is asked of one of `resolvers` (each `ip:port`), the first unless the caller
 * says otherwise. `pace` is a share of the timeout. Any status is an answer, redirects are not followed; `ms` leaves the name's resolution out.
 */
export function createPublicHttp(resolvers: readonly string[], pace = 1): PublicHttp & { close(): Promise<void> } {
  const agents = new Map<string, Agent>();
  const askers = resolvers.map((server) => askServer(server, pace));

  async function addressOf(name: string, resolver: number): Promise<string> {
    if (isIP(name) !== 0) return name;
    const ask = askers[resolver];
    if (ask === undefined) throw new RangeError(`there are ${askers.length} resolvers, asked was number ${resolver}`);
    const { addresses, server, error } = await ask(name);
    const [address] = addresses;
    if (address !== undefined) return address;
    throw new ProviderError('DNS', `resolve ${name}`, {
      status: null,
      code: error,
      message: `${server} says ${error ?? 'that it has no address'}`,
      hint: `check the record of ${name} and the resolver ${server}`,
    });
  }

  return {
    async request(url, options = {}) {
      const target = new URL(url);
      const { method = 'GET', timeoutMs = TIMEOUT_MS * pace, resolver = 0 } = options;
      const operation = `${method} ${target.host}${target.pathname}`;
      const address = options.via ?? (await addressOf(target.hostname.replaceAll(/[[\]]/g, ''), resolver));
      const agent = agents.get(address) ?? agentFor(address);
      agents.set(address, agent);
      const start = performance.now();
      let response: Dispatcher.ResponseData;
      let body: Buffer | null;
      try {
        response = await request(target, {
          method,
          headers: { ...options.headers },
          body: options.body ?? null,
          dispatcher: agent,
          signal: AbortSignal.timeout(timeoutMs),
        });
        body = await readBody(response.body);
      } catch (error) {
        throw unreachable(PROVIDER, operation, url, error);
      }
      const ms = performance.now() - start;
      if (body === null) {
        const message = `the body is larger than ${LARGEST_BODY} bytes`;
        throw new ProviderError(PROVIDER, operation, { status: response.statusCode, message, retryable: false });
      }
      const headers = Object.fromEntries(
        Object.entries(response.headers).map(([name, value]) => [
          name,
          Array.isArray(value) ? value.join(', ') : (value ?? ''),
        ]),
      );
      return { status: response.statusCode, headers, body, ms, address };
    },
    async close() {
      await Promise.all([...agents.values()].map((agent) => agent.close()));
    },
  };
}

/** `null` when it is larger than a check's body may be; the rest is not read then. */
async function readBody(body: AsyncIterable<Uint8Array>): Promise<Buffer | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > LARGEST_BODY) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

import { EnvHttpProxyAgent, fetch, Pool, type Dispatcher } from 'undici';
import { ProviderError } from '../provider-error.ts';

export interface DispatcherOptions {
  /** For a connection to come about, ms. */
  readonly connectMs?: number;
  /** Without a byte in either direction, ms. */
  readonly silenceMs?: number;
}

const CONNECT_MS = 10_000;
const SILENCE_MS = 60_000;
/** As undici's `EnvHttpProxyAgent` reads them: the lower-case name first. */
const PROXY_VARIABLES = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'] as const;
const PROXY_PROTOCOLS = new Set(['http:', 'https:', 'socks5:', 'socks:']);

/**
 * What carries requests to this origin: directly, or through the proxy that HTTPS_PROXY, HTTP_PROXY and NO_PROXY (or
 * their lower-case forms) name. Connections are made as they are needed, without an upper bound: how much goes on at
 * once is the caller's decision. Whoever opens one closes it.
 *
 * Nothing addressed to this machine itself goes through a proxy, whatever the variables say: a proxy would look for the
 * rehearsal's cloud on its own machine. Go does the same (`net/http.ProxyFromEnvironment`).
 * @throws ProviderError when a variable names no proxy
 */
export function openDispatcher(origin: URL, options: DispatcherOptions = {}): Dispatcher {
  const { connectMs = CONNECT_MS, silenceMs = SILENCE_MS } = options;
  const transport = {
    connectTimeout: connectMs,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
    // HTTP/2 would put all requests on one connection, where one lost packet holds up all of them.
    allowH2: false,
  };
  if (!isProxied(origin)) return new Pool(origin.origin, transport);
  return new EnvHttpProxyAgent(transport);
}

const opened = new Map<string, Dispatcher>();

/** The dispatcher of calls that are few and belong to nobody, one for each origin; its idle connections end by themselves. */
export function sharedDispatcher(url: URL): Dispatcher {
  // The variables are part of the name: `--env FILE` may set them after the first call was made.
  const name = [url.origin, ...PROXY_VARIABLES.map((variable) => process.env[variable] ?? '')].join(' ');
  const dispatcher = opened.get(name) ?? openDispatcher(url);
  opened.set(name, dispatcher);
  return dispatcher;
}

/** `fetch` for a vendor's SDK, over the same dispatchers as every other call. */
export const proxiedFetch: typeof globalThis.fetch = (input, init) => {
  const url = new URL(input instanceof Request ? input.url : input);
  // Node's own `fetch` is an older undici and takes no dispatcher of this one; the two differ in their types alone.
  const send = fetch as unknown as (input: unknown, init: unknown) => Promise<Response>;
  return send(input, { ...init, dispatcher: sharedDispatcher(url) });
};

function isProxied(origin: URL): boolean {
  const set = PROXY_VARIABLES.filter((name) => (process.env[name] ?? '') !== '');
  if (set.length === 0 || isThisMachine(origin.hostname)) return false;
  for (const name of set) requireProxy(name, process.env[name] ?? '');
  return true;
}

/** The whole of 127.0.0.0/8, ::1, and the names that are kept for it (RFC 6761, section 6.3). */
function isThisMachine(hostname: string): boolean {
  return /^127(\.\d+){3}$|^\[::1\]$|^(.+\.)?localhost\.?$/i.test(hostname);
}

function requireProxy(name: string, value: string): void {
  const url = URL.parse(value);
  if (url !== null && PROXY_PROTOCOLS.has(url.protocol)) return;
  // The value stays out: it may hold a password.
  throw new ProviderError('HTTP', `read ${name}`, {
    status: null,
    retryable: false,
    message: `${name} is not the address of a proxy`,
    hint: `set ${name} to an address such as http://proxy.example:3128, or unset it`,
  });
}

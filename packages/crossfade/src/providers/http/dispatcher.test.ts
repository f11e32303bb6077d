import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import http, { type RequestListener } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import * as v from 'valibot';
import { createCloudflareApi } from '../cloudflare/api-call.ts';
import { createPagerDuty } from '../notify/pagerduty.ts';
import { createWebhook } from '../notify/webhook.ts';
import { metaOf } from '../object-meta.ts';
import { createObjectStore } from '../s3/object-store.ts';
import { createStorageRest } from '../supabase/storage-rest.ts';
import { createSupabaseProvider } from '../supabase/supabase-provider.ts';
import { openDispatcher } from './dispatcher.ts';
import { exchange } from './exchange.ts';
import { startForwardProxy, type ForwardProxy } from './fixtures/forward-proxy.ts';
import { AUTHORITY, CERTIFICATE, CERTIFICATE_KEY } from './fixtures/private-ca.ts';

/** Resolves nowhere (RFC 6761, section 6.4): whoever reaches it went through the proxy. */
const HOST = 'storage.example';
const TEXT = 'a song';
const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'NO_PROXY', 'https_proxy', 'http_proxy', 'no_proxy'];

/** Answers every call of the clients below well enough. */
const vendor: RequestListener = (request, response) => {
  request.resume();
  const { method, url = '' } = request;
  const answer = (status: number, body: string, headers = {}): void =>
    void response.writeHead(status, { 'content-length': body.length, ...headers }).end(method === 'HEAD' ? '' : body);
  if (url.includes('/zones')) answer(200, '{"success":true,"errors":[],"messages":[],"result":{"id":"zone"}}');
  else if (url.includes('/bucket/')) answer(200, '{"id":"media","public":false}');
  else if (url.includes('/v2/enqueue') || url.includes('/hook')) answer(202, '');
  else if (method === 'PUT') answer(200, '', { etag: '"0123456789abcdef0123456789abcdef"' });
  else answer(200, TEXT, { etag: '"0123456789abcdef0123456789abcdef"' });
};

const trusted = tls.getCACertificates('default');
beforeAll(() => tls.setDefaultCACertificates([...trusted, AUTHORITY]));
afterAll(() => tls.setDefaultCACertificates(trusted));
afterEach(() => {
  for (const name of VARIABLES) delete process.env[name];
});

async function serve(secure: boolean, listener: RequestListener = vendor): Promise<number> {
  const server = secure
    ? https.createServer({ key: CERTIFICATE_KEY, cert: CERTIFICATE }, listener)
    : http.createServer(listener);
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

async function proxyTo(port: number, authorization?: string): Promise<ForwardProxy> {
  const proxy = await startForwardProxy(port, authorization);
  onTestFinished(() => proxy.close());
  return proxy;
}

/** One call of each client that speaks HTTP, at this base URL. */
const CLIENTS: Readonly<Record<string, (base: string) => Promise<unknown>>> = {
  'S3, answers held whole': (base) =>
    withStore(`${base}/`, (store) => store.put('song', Buffer.from(TEXT), 6, metaOf({}))),
  'S3, streamed': (base) => withStore(`${base}/`, async (store) => (await store.get('song'))?.body.toArray()),
  "Supabase's S3": (base) => withStore(`${base}/storage/v1/s3`, (store) => store.head('song')),
  "Supabase's Storage over REST": async (base) => {
    const store = createStorageRest({ label: 'rest', url: base, serviceKey: 'service', bucket: 'media' });
    await (await store.get('song'))?.body.toArray();
    await store.close();
  },
  "Supabase's API": (base) => createSupabaseProvider({ url: base, anonKey: 'a', serviceKey: 's' }).getBucket('media'),
  "Cloudflare's API, by its SDK": (base) =>
    createCloudflareApi(cloudflareAt(base)).call('get', '/zones/zone', v.object({ id: v.string() })),
  "Cloudflare's API, a form": (base) =>
    createCloudflareApi(cloudflareAt(base)).sendForm(
      'PUT',
      '/zones/zone',
      new FormData(),
      v.object({ id: v.string() }),
    ),
  'a webhook': (base) => createWebhook('chat', `${base}/hook`, undefined).send(MESSAGE),
  PagerDuty: (base) =>
    createPagerDuty({
      name: 'pager',
      eventsBaseUrl: base,
      routingKeySecret: 'routing',
      apiBaseUrl: base,
      apiToken: 'token',
    }).send(MESSAGE),
};
const MESSAGE = { title: 'Test', text: 'text', severity: 'info', dedupKey: 'key', details: {} } as const;
const cloudflareAt = (apiBaseUrl: string) => ({ apiBaseUrl, apiToken: 'token', accountId: 'a', zoneId: 'z' }) as never;

async function withStore(
  endpoint: string,
  use: (store: ReturnType<typeof createObjectStore>) => Promise<unknown>,
): Promise<void> {
  const credential = { region: 'auto', accessKeyId: 'access-key', secretAccessKey: 'secret-key' };
  const store = createObjectStore({ label: 's3', endpoint, bucket: 'media', ...credential, partSizeBytes: 5_000_000 });
  await use(store);
  await store.close();
}

describe('a proxy that the environment names', () => {
  it.each(Object.entries(CLIENTS))('carries %s, over TLS that a private authority vouches for', async (_name, call) => {
    const proxy = await proxyTo(await serve(true));
    process.env['HTTPS_PROXY'] = proxy.url;
    await call(`https://${HOST}`);
    expect(proxy.asked).toEqual([`CONNECT ${HOST}:443`]);
  });

  it.each(Object.entries(CLIENTS))('carries %s without TLS', async (_name, call) => {
    const proxy = await proxyTo(await serve(false));
    process.env['http_proxy'] = proxy.url;
    await call(`http://${HOST}:8000`);
    expect(proxy.asked).toEqual([expect.stringContaining(`http://${HOST}:8000/`)]);
  });

  it.each(['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY'])('is heard as %s for https', async (name) => {
    const proxy = await proxyTo(await serve(true));
    process.env[name] = proxy.url;
    await CLIENTS['a webhook']?.(`https://${HOST}`);
    expect(proxy.asked).toEqual([`CONNECT ${HOST}:443`]);
  });

  it.each(['NO_PROXY', 'no_proxy'])('is passed by where %s names the host', async (name) => {
    const port = await serve(true);
    const proxy = await proxyTo(port);
    process.env['HTTPS_PROXY'] = proxy.url;
    // Linux takes 0.0.0.0 for this machine; it is no loopback address, so it would go through the proxy.
    await CLIENTS['a webhook']?.(`https://0.0.0.0:${port}`);
    expect(proxy.asked).toHaveLength(1);
    process.env[name] = 'other.example,0.0.0.0';
    for (const call of Object.values(CLIENTS)) await call(`https://0.0.0.0:${port}`);
    expect(proxy.asked).toHaveLength(1);
  });

  it.each(['127.0.0.1', 'localhost', '127.0.0.57'])('never carries what is on this machine: %s', async (host) => {
    const port = await serve(false);
    const proxy = await proxyTo(port);
    process.env['HTTP_PROXY'] = proxy.url;
    for (const call of Object.values(CLIENTS)) await call(`http://${host}:${port}`);
    expect(proxy.asked).toEqual([]);
  });

  it('is given the password of its address', async () => {
    const proxy = await proxyTo(await serve(true), `Basic ${Buffer.from('ada:pass word').toString('base64')}`);
    process.env['HTTPS_PROXY'] = proxy.url.replace('//', '//ada:pass%20word@');
    await CLIENTS['a webhook']?.(`https://${HOST}`);
    expect(proxy.asked).toEqual([`CONNECT ${HOST}:443`]);
  });

  it('that refuses fails the call, and the error tells what the proxy said and where to look', async () => {
    const proxy = await proxyTo(await serve(true), 'Basic nobody');
    process.env['HTTPS_PROXY'] = proxy.url.replace('//', '//ada:canary-password@');
    const call = { provider: 'chat', operation: 'notify', method: 'GET', headers: {}, timeoutMs: 5000, secrets: [] };
    const failed = exchange({ ...call, method: 'GET', url: `https://${HOST}/` });
    await expect(failed).rejects.toThrow(/storage\.example did not answer: .*407/);
    await expect(failed).rejects.toMatchObject({ hint: expect.stringContaining('HTTPS_PROXY') });
    await expect(failed).rejects.not.toThrow('canary-password');
  });

  it.each(['proxy.example:3128', 'ftp://proxy.example', 'http://', 'canary-password'])(
    'that is none, "%s", is refused by its name and without its value',
    (value) => {
      process.env['HTTPS_PROXY'] = value;
      expect(() => openDispatcher(new URL(`https://${HOST}`))).toThrow('HTTPS_PROXY is not the address of a proxy');
      expect(() => openDispatcher(new URL(`https://${HOST}`))).not.toThrow(value);
    },
  );
});

describe('a private certificate authority', () => {
  it('that nobody vouched for is refused before a byte of the request is sent', async () => {
    tls.setDefaultCACertificates(trusted);
    onTestFinished(() => tls.setDefaultCACertificates([...trusted, AUTHORITY]));
    let asked = 0;
    const port = await serve(true, () => void asked++);
    const store = createObjectStore({
      label: 's3',
      endpoint: `https://localhost:${port}`,
      region: 'auto',
      accessKeyId: 'access-key',
      secretAccessKey: 'secret-key',
      bucket: 'media',
      partSizeBytes: 5_000_000,
      pace: 0.01,
    });
    await expect(store.head('song')).rejects.toThrow(/unable to (verify|get local issuer)/);
    expect(asked).toBe(0);
    await store.close();
  });

  it('is taken from NODE_EXTRA_CA_CERTS', async () => {
    const port = await serve(true);
    const file = join(tmpdir(), `crossfade-authority-${process.pid}.pem`);
    await writeFile(file, AUTHORITY);
    onTestFinished(() => rm(file));
    const script = `const { openDispatcher } = await import(${JSON.stringify(join(import.meta.dirname, 'dispatcher.ts'))});
      const origin = new URL('https://localhost:${port}');
      const answer = await openDispatcher(origin).request({ origin: origin.origin, path: '/', method: 'GET' });
      console.log(await answer.body.text());`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: file };
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], { env });
    expect(stdout).toBe(`${TEXT}\n`);
  });
});

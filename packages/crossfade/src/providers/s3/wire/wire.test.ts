import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import https from 'node:https';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openConnection, type Connection, type WireRequest } from './connection.ts';
import { CERTIFICATE, CERTIFICATE_KEY } from './fixtures/certificate.ts';
import { createWire, type Wire, type WireOptions } from './wire.ts';

const MIB = 1024 * 1024;

/** A wire to a server of this test, and how many connections that has seen. */
async function wireTo(
  server: Server,
  over: Partial<WireOptions> = {},
): Promise<{ wire: Wire; ask: Ask; opened: () => Socket[] }> {
  const opened: Socket[] = [];
  server.on('connection', (socket) => opened.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const host = `localhost:${port}`;
  const scheme = server instanceof https.Server ? 'https' : 'http';
  const options = { connections: 4, connectMs: 5000, silenceMs: 5000, ...over };
  const wire = createWire(new URL(`${scheme}://${host}`), options);
  onTestFinished(async () => {
    for (const socket of opened) socket.destroy();
    await wire.close();
    server.close();
  });
  const ask: Ask = (path, request = {}) =>
    wire.ask({ method: 'GET', path, headers: { host }, body: null, into: null, ...request });
  return { wire, ask, opened: () => opened };
}
type Ask = (path: string, request?: Partial<WireRequest>) => ReturnType<Wire['ask']>;

/** What a server that speaks HTTP does with each request; `null` once it is done. */
const byHttp = (listener: RequestListener) => http.createServer({ keepAliveTimeout: 30_000 }, listener);
/** A server that says what a test lets it say, byte by byte. */
const byHand = (onRequest: (socket: Socket, request: string) => void) =>
  net.createServer((socket) => socket.on('data', (bytes: Buffer) => onRequest(socket, bytes.toString('latin1'))));
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

const echo: RequestListener = (request, response) => {
  void buffer(request).then((body) => response.writeHead(200, { 'x-path': request.url }).end(body));
};

describe('a wire', () => {
  it('asks many things over few connections, which it uses again', async () => {
    const { ask, opened } = await wireTo(byHttp(echo), { connections: 3 });
    const paths = Array.from({ length: 200 }, (_, index) => `/${index}`);
    const answers = await Promise.all(paths.map((path) => ask(path, { method: 'PUT', body: `body of ${path}` })));
    expect(answers.map(({ headers, body }) => `${headers['x-path']} ${body}`)).toEqual(
      paths.map((path) => `${path} body of ${path}`),
    );
    expect(opened()).toHaveLength(3);
  });

  it('brings bytes both ways as they are, the answer straight to its place', async () => {
    const { ask } = await wireTo(byHttp(echo));
    const sent = Buffer.alloc(5 * MIB, 'every byte of it');
    const into = Buffer.alloc(sent.byteLength);
    const { body } = await ask('/large', { method: 'PUT', body: sent, into });
    expect(into.equals(sent)).toBe(true);
    expect(body.buffer).toBe(into.buffer);
  });

  it('tells the length of each body once, and of none where a request has none', async () => {
    const told: RequestListener = (request, response) =>
      void response.end(`${request.headers['content-length']} ${request.headers['transfer-encoding']}`);
    const { ask } = await wireTo(byHttp(told));
    const requests: readonly Partial<WireRequest>[] = [
      { method: 'PUT', body: 'ä' },
      { method: 'PUT', body: Buffer.from('abc'), headers: { host: 'x', 'content-length': '3' } },
      { method: 'POST' },
      { method: 'GET' },
      { method: 'DELETE' },
    ];
    const said = await Promise.all(requests.map(async (request) => (await ask('/', request)).body.toString()));
    const none = 'undefined undefined';
    expect(said).toEqual(['2 undefined', '3 undefined', '0 undefined', none, none]);
  });

  it('sends no value that would be two headers, and no path that would be two lines', async () => {
    const asked: string[] = [];
    const { ask, opened } = await wireTo(byHand((_socket, request) => asked.push(request)));
    const headers = { host: 'x', 'x-amz-meta-note': 'a\r\nx-amz-acl: public-read' };
    await expect(ask('/', { headers })).rejects.toThrow('the header x-amz-meta-note cannot hold');
    await expect(ask('/a b')).rejects.toThrow('a path cannot hold');
    expect([asked, opened()]).toEqual([[], []]);
  });
});

describe('over TLS', () => {
  const trusted = tls.getCACertificates('default');
  beforeAll(() => tls.setDefaultCACertificates([...trusted, CERTIFICATE]));
  afterAll(() => tls.setDefaultCACertificates(trusted));
  const secured = (key = CERTIFICATE_KEY) =>
    https.createServer({ key, cert: CERTIFICATE, ALPNProtocols: ['h2', 'http/1.1'] });

  it('a wire brings the same bytes', async () => {
    const { ask, opened } = await wireTo(secured().on('request', echo), { connections: 2 });
    const sent = Buffer.alloc(3 * MIB + 5, 'every byte of it');
    const into = Array.from({ length: 6 }, () => Buffer.alloc(sent.byteLength));
    await Promise.all(into.map((place) => ask('/large', { method: 'PUT', body: sent, into: place })));
    expect(into.map((place) => place.equals(sent))).toEqual(into.map(() => true));
    expect(opened()).toHaveLength(2);
  });

  it('a connection takes up the session of the one before, which saves half of the handshake', async () => {
    const resumed: boolean[] = [];
    const server = secured().on('request', (_request, response) =>
      response.writeHead(200, { connection: 'close' }).end('ok'),
    );
    server.on('secureConnection', (socket) => resumed.push(socket.isSessionReused()));
    const { ask } = await wireTo(server, { connections: 1 });
    for (const path of ['/1', '/2', '/3']) expect(await ask(path)).toMatchObject({ status: 200 });
    expect(resumed).toEqual([false, true, true]);
  });

  it('a certificate that nobody has vouched for is refused before a byte of the request is sent', async () => {
    tls.setDefaultCACertificates(trusted);
    onTestFinished(() => tls.setDefaultCACertificates([...trusted, CERTIFICATE]));
    let asked = 0;
    const { ask } = await wireTo(secured().on('request', () => asked++));
    await expect(ask('/')).rejects.toThrow(/self-signed certificate/);
    expect(asked).toBe(0);
  });

  it('a server that takes the connection and says nothing is given up after a while', async () => {
    const silent = net.createServer(() => {});
    const { wire } = await wireTo(silent);
    const { port } = silent.address() as AddressInfo;
    const secure = createWire(new URL(`https://localhost:${port}`), { connections: 1, connectMs: 50, silenceMs: 5000 });
    const request = { method: 'GET', path: '/', headers: {}, body: null, into: null };
    await expect(secure.ask(request)).rejects.toMatchObject({
      code: 'ETIMEDOUT',
      message: /no connection within 50 ms/,
    });
    await Promise.all([secure.close(), wire.close()]);
  });
});

describe('a server', () => {
  it('that answers before it has read the request is heard, and asked again on another connection', async () => {
    let first = true;
    const refusing = (socket: Socket): void => {
      if (!first) return void socket.once('data', () => socket.write(OK));
      first = false;
      socket.once('data', () => {
        socket.pause();
        socket.write('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno');
      });
    };
    const { ask, opened } = await wireTo(net.createServer(refusing), { connections: 1 });
    const body = Buffer.alloc(16 * MIB);
    expect(await ask('/', { method: 'PUT', body })).toMatchObject({ status: 403, body: Buffer.from('no') });
    expect(await ask('/')).toMatchObject({ status: 200 });
    expect(opened()).toHaveLength(2);
  });

  it('that ends a connection between two requests is asked on another one', async () => {
    const { ask, opened } = await wireTo(
      byHand((socket) => socket.write(OK)),
      { connections: 1 },
    );
    await ask('/');
    const [first] = opened();
    const closed = first === undefined ? Promise.resolve() : once(first, 'close');
    first?.end();
    await closed;
    expect(await ask('/')).toMatchObject({ status: 200 });
    expect(opened()).toHaveLength(2);
  });

  it('that says something when nobody asked is not heard: it would be taken for the next answer', async () => {
    const unasked = byHand((socket) => {
      socket.write(OK);
      setImmediate(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong'));
    });
    const { ask, opened } = await wireTo(unasked, { connections: 1 });
    const start = performance.now();
    await ask('/');
    const [first] = opened();
    if (first !== undefined) await once(first, 'close');
    expect((await ask('/')).body.toString()).toBe('ok');
    // Not only once it has been idle for long.
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('that says how long it keeps a connection is asked on it until shortly before, then on another one', async () => {
    const brief = byHand((socket, request) => {
      const slowly = request.startsWith('GET /slowly') ? 1200 : 0;
      setTimeout(() => socket.write(OK.replace('\r\n', '\r\nkeep-alive: timeout=2\r\n')), slowly);
    });
    const { ask, opened } = await wireTo(brief, { connections: 1, silenceMs: 10_000 });
    await ask('/');
    // While an answer is under way that time does not count.
    await ask('/slowly');
    expect(opened()).toHaveLength(1);
    const start = performance.now();
    const [first] = opened();
    if (first !== undefined) await once(first, 'close');
    expect(performance.now() - start).toBeGreaterThan(900);
    expect(performance.now() - start).toBeLessThan(3000);
    await ask('/');
    expect(opened()).toHaveLength(2);
  });

  it('that says nothing is given up after a while, and one that goes on slowly is not', async () => {
    const slow = byHand((socket, request) => {
      if (request.startsWith('GET /never')) return;
      [...OK].forEach((letter, index) => setTimeout(() => socket.write(letter), index * 10));
    });
    const { ask } = await wireTo(slow, { silenceMs: 200 });
    expect(await ask('/slow')).toMatchObject({ body: Buffer.from('ok') });
    await expect(ask('/never')).rejects.toMatchObject({ code: 'ETIMEDOUT', message: 'nothing came for 200 ms' });
  });

  it.each([
    ['is cut off before it answers', (socket: Socket) => socket.destroy(), /before an answer|ECONNRESET/],
    ['is cut off within an answer', (socket: Socket) => socket.end(OK.slice(0, -1)), /broke off/],
    ['speaks another protocol', (socket: Socket) => socket.write('220 mail.example ESMTP\r\n\r\n'), /no HTTP\/1.1/],
  ])('that %s fails this request, and no other', async (_name, misbehave, reason) => {
    const server = byHand((socket, request) => {
      if (request.startsWith('GET /bad')) misbehave(socket);
      else socket.write(OK);
    });
    const { ask } = await wireTo(server, { connections: 2 });
    const [bad, ...others] = await Promise.allSettled(['/bad', '/1', '/2', '/3'].map((path) => ask(path)));
    expect(bad).toMatchObject({ status: 'rejected', reason: { message: reason } });
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  });

  it('that is not there is told at once, by each request', async () => {
    const gone = net.createServer();
    const { ask } = await wireTo(gone, { connections: 2 });
    gone.close();
    const answers = await Promise.allSettled([1, 2, 3, 4, 5].map(() => ask('/')));
    const reasons = answers.map((answer) => (answer.status === 'rejected' ? networkCode(answer.reason) : 'answered'));
    expect(new Set(reasons)).toEqual(new Set(['ECONNREFUSED']));
  });
});

describe('a connection', () => {
  it('that was closed a moment ago fails what it is asked, and leaves nobody waiting', async () => {
    const closed: Connection[] = [];
    const events = { free: () => {}, closed: (one: Connection) => closed.push(one) };
    const connection = openConnection(() => new net.Socket(), { connectMs: 5000, silenceMs: 5000 }, events);
    connection.close();
    expect(closed).toEqual([connection]);
    const request = { method: 'GET', path: '/', headers: {}, body: null, into: null };
    await expect(connection.ask(request, '')).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});

describe('what a server answers', () => {
  it('goes to who asked for it, whatever becomes of the requests beside it', async () => {
    let state = 7;
    const chance = (): number => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
    const behave = (request: IncomingMessage, path: string, respond: Parameters<RequestListener>[1]): void => {
      const [dice, body] = [chance(), `body of ${path} `.repeat(1 + Math.floor(chance() * 3000))];
      if (dice < 0.1) request.socket.destroy();
      else if (dice < 0.2)
        respond.writeHead(200, { 'content-length': body.length + 9 }).write(body, () => request.socket.destroy());
      else if (dice < 0.3) respond.writeHead(200, { connection: 'close' }).end(body);
      else if (dice < 0.5) {
        respond.write(body.slice(0, 11));
        setTimeout(() => respond.end(body.slice(11)), chance() * 5);
      } else if (dice < 0.6) respond.writeHead(503, { 'content-length': body.length }).end(body);
      else setTimeout(() => respond.writeHead(200, { 'content-length': body.length }).end(body), chance() * 5);
    };
    const { ask } = await wireTo(
      byHttp((request, response) => behave(request, request.url ?? '', response)),
      { connections: 8 },
    );
    const paths = Array.from({ length: 1500 }, (_, index) => `/${index}`);
    const answers = await Promise.allSettled(
      paths.map((path) => ask(path, chance() < 0.5 ? {} : { into: Buffer.alloc(120_000) })),
    );
    const answered = answers.flatMap((answer, index) =>
      answer.status === 'fulfilled' ? [{ path: paths[index] ?? '', text: answer.value.body.toString() }] : [],
    );
    for (const { path, text } of answered) expect(text.replaceAll(`body of ${path} `, '')).toBe('');
    expect(answered.length).toBeGreaterThan(1000);
    expect(answered.length).toBeLessThan(1450);
  });
});

describe('a wire that is closed', () => {
  it('answers what it was asked before, and takes nothing more', async () => {
    const slow: RequestListener = (request, response) => void setTimeout(() => response.end(request.url), 50);
    const { wire, ask, opened } = await wireTo(byHttp(slow), { connections: 2 });
    const under = ['/1', '/2', '/3', '/4', '/5'].map((path) => ask(path));
    const closed = wire.close();
    await expect(ask('/late')).rejects.toMatchObject({ code: 'ECLOSED' });
    expect((await Promise.all(under)).map(({ body }) => body.toString())).toEqual(['/1', '/2', '/3', '/4', '/5']);
    await Promise.all([closed, wire.close()]);
    expect(opened()).toHaveLength(2);
  });
});

function networkCode(error: unknown): unknown {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error && 'code' in first ? first.code : first;
}

import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { unreachable } from '../provider-error.ts';
import { openDispatcher, type DispatcherOptions } from './dispatcher.ts';
import { askWhole, TooLong, type WholeAnswer, type WholeRequest } from './whole-answer.ts';

const MIB = 1024 * 1024;
const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok';

type Ask = (path: string, request?: Partial<WholeRequest>) => Promise<WholeAnswer>;

/** Asks a server of this test; `opened` are the connections that it has seen. */
async function asking(server: Server, options?: DispatcherOptions): Promise<{ ask: Ask; opened: Socket[] }> {
  const opened: Socket[] = [];
  server.on('connection', (socket) => opened.push(socket.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const dispatcher = openDispatcher(new URL(origin), options);
  onTestFinished(async () => {
    for (const socket of opened) socket.destroy();
    await dispatcher.destroy();
    server.close();
  });
  const empty = { method: 'GET', headers: {}, body: null, into: null } as const;
  return { ask: (path, request) => askWhole(dispatcher, { origin, path, ...empty, ...request }), opened };
}

const byHttp = (listener: RequestListener): Server => http.createServer({ keepAliveTimeout: 30_000 }, listener);
/** A server that says what a test lets it say, byte by byte. */
const byHand = (onRequest: (socket: Socket, request: string) => void): Server =>
  net.createServer((socket) => socket.on('data', (bytes: Buffer) => onRequest(socket, bytes.toString('latin1'))));
const echo: RequestListener = (request, response) => {
  void buffer(request).then((body) => response.writeHead(200, { 'x-path': request.url }).end(body));
};
/** As a provider would tell it. */
const told = (error: unknown) => unreachable('store', 'GET song', 'http://store.example', error);

describe('a request whose answer is held whole', () => {
  it('brings bytes both ways as they are, and the answer to the place that was given', async () => {
    const { ask } = await asking(byHttp(echo));
    const sent = Buffer.alloc(5 * MIB + 3, 'every byte of it');
    const into = Buffer.alloc(sent.byteLength);
    const { body } = await ask('/large', { method: 'PUT', body: sent, into });
    expect([into.equals(sent), body.buffer === into.buffer]).toEqual([true, true]);
  });

  it('tells the length of each body once, and of none where a request has none', async () => {
    const lengths: RequestListener = (request, response) =>
      void response.end(`${request.headers['content-length']} ${request.headers['transfer-encoding']}`);
    const { ask } = await asking(byHttp(lengths));
    const requests: readonly Partial<WholeRequest>[] = [
      { method: 'PUT', body: 'ä' },
      { method: 'PUT', body: Buffer.from('abc'), headers: { 'content-length': '3' } },
      { method: 'PUT', body: Buffer.alloc(MIB), headers: { 'content-length': String(MIB) } },
      { method: 'PUT', body: Buffer.alloc(0), headers: { 'content-length': '0' } },
      { method: 'POST' },
      { method: 'GET' },
      { method: 'DELETE' },
    ];
    const said = await Promise.all(requests.map(async (request) => (await ask('/', request)).body.toString()));
    const none = 'undefined undefined';
    expect(said).toEqual(['2 undefined', '3 undefined', `${MIB} undefined`, '0 undefined', '0 undefined', none, none]);
  });

  it('opens as many connections as there are requests at once, and uses them again', async () => {
    const { ask, opened } = await asking(byHttp(echo));
    for (let round = 0; round < 3; round++)
      await Promise.all(Array.from({ length: 200 }, (_, index) => ask(`/${index}`, { method: 'PUT', body: 'x' })));
    expect(opened.length).toBeGreaterThanOrEqual(150);
    expect(opened.length).toBeLessThanOrEqual(250);
  });

  it('leaves its connection to the next one, after a HEAD too', async () => {
    const { ask, opened } = await asking(
      byHttp((_request, response) => void response.setHeader('content-length', 7).end()),
    );
    for (let round = 0; round < 5; round++) await ask('/', { method: 'HEAD' });
    // A connection is free a moment after its answer is, so that the second request opens another one.
    expect(opened.length).toBeLessThanOrEqual(2);
  });

  it('is refused, and sent to nobody, where a header or the path would be two', async () => {
    const asked: string[] = [];
    const { ask } = await asking(byHand((_socket, request) => asked.push(request)));
    const headers = { 'x-amz-meta-note': 'a\r\nx-amz-acl: public-read' };
    await expect(ask('/', { headers })).rejects.toThrow(TypeError);
    await expect(ask('/', { headers })).rejects.toThrow('x-amz-meta-note');
    await expect(ask('/a b')).rejects.toThrow(TypeError);
    expect(asked).toEqual([]);
  });

  it('takes no more bytes than there is room for', async () => {
    const { ask } = await asking(byHttp((_request, response) => void response.end('seven b')));
    await expect(ask('/', { into: Buffer.alloc(6) })).rejects.toThrow(TooLong);
    expect((await ask('/', { into: Buffer.alloc(9) })).body.toString()).toBe('seven b');
  });

  it('does not put an error in the place that is meant for the object', async () => {
    const { ask } = await asking(byHttp((_request, response) => void response.writeHead(404).end('<Error/>')));
    const into = Buffer.from('untouched');
    const { status, body } = await ask('/', { into });
    expect([status, body.toString(), into.toString()]).toEqual([404, '<Error/>', 'untouched']);
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
    const { ask, opened } = await asking(net.createServer(refusing));
    const body = Buffer.alloc(16 * MIB);
    expect(await ask('/', { method: 'PUT', body })).toMatchObject({ status: 403, body: Buffer.from('no') });
    expect(await ask('/')).toMatchObject({ status: 200 });
    expect(opened).toHaveLength(2);
  });

  it('that says something when nobody asked is not heard: it would be taken for the next answer', async () => {
    const unasked = byHand((socket) => {
      socket.write(OK);
      setImmediate(() => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong'));
    });
    const { ask, opened } = await asking(unasked);
    await ask('/');
    const [first] = opened;
    if (first !== undefined) await once(first, 'close');
    expect((await ask('/')).body.toString()).toBe('ok');
  });

  it('that says nothing is given up after a while, and one that goes on slowly is not', async () => {
    const slow = byHand((socket, request) => {
      if (request.startsWith('GET /never')) return;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 30\r\n\r\n');
      for (let index = 0; index < 30; index++) setTimeout(() => socket.write('.'), index * 50);
    });
    const { ask } = await asking(slow, { silenceMs: 700 });
    expect(await ask('/slow')).toMatchObject({ body: Buffer.from('.'.repeat(30)) });
    const error = await ask('/never').catch(told);
    expect(error).toMatchObject({ reached: false, message: expect.stringContaining('did not answer') });
  });

  it('that takes a large body slowly is waited for', async () => {
    const slow = net.createServer({ highWaterMark: 64 * 1024 }, (socket) => {
      let taken = 0;
      socket.on('data', (bytes: Buffer) => {
        taken += bytes.byteLength;
        if (taken > 8 * MIB) return void socket.write(OK);
        socket.pause();
        setTimeout(() => socket.resume(), 20);
      });
    });
    const { ask } = await asking(slow, { silenceMs: 1500 });
    const start = performance.now();
    expect(await ask('/', { method: 'PUT', body: Buffer.alloc(8 * MIB) })).toMatchObject({ status: 200 });
    expect(performance.now() - start).toBeGreaterThan(2000);
  });

  it('that is cut off before it answers did not answer', async () => {
    const { ask } = await asking(byHand((socket) => socket.destroy()));
    expect(await ask('/').catch(told)).toMatchObject({
      reached: false,
      message: expect.stringContaining('store.example did not answer'),
    });
  });

  it.each([
    ['is cut off within an answer', OK.slice(0, -1), /broke off/],
    ['is cut off between two chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n', /broke off/],
    ['speaks another protocol', '220 mail.example ESMTP\r\n\r\n', /HTTP\/1.1 protocol/],
    ['ends its lines in LF alone', OK.replaceAll('\r', ''), /HTTP\/1.1 protocol/],
    ['names two lengths', OK.replace('\r\n\r\n', '\r\ncontent-length: 3\r\n\r\n'), /length/],
    // It might be read (RFC 9112, section 5.2); undici's parser refuses it, since it is how requests are smuggled.
    ['folds a header', OK.replace('\r\n\r\n', '\r\nx-amz-meta-title: a long\r\n  title\r\n\r\n'), /cannot be read/],
    ['sends a header without a name', OK.replace('content-length', ''), /HTTP\/1.1 protocol/],
  ])('that %s has answered what cannot be read, at once, and no other request is lost', async (_name, sent, reason) => {
    const server = byHand((socket, request) => {
      if (request.startsWith('GET /bad')) socket.end(sent);
      else socket.write(OK);
    });
    const { ask } = await asking(server);
    const [bad, ...others] = await Promise.allSettled(['/bad', '/1', '/2', '/3'].map((path) => ask(path)));
    expect(bad?.status === 'rejected' ? told(bad.reason) : bad).toMatchObject({
      reached: true,
      retryable: true,
      message: expect.stringMatching(reason),
    });
    expect(others.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled']);
  });

  it('that is not there is told at once, by each request', async () => {
    const gone = net.createServer();
    const { ask } = await asking(gone);
    gone.close();
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => ask('/').catch(told)));
    expect(answers.map((answer) => String(answer).includes('ECONNREFUSED'))).toEqual([true, true, true, true, true]);
  });
});

describe('what a server answers', () => {
  it('goes to whoever asked for it, whatever becomes of the requests beside it', async () => {
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
    const { ask } = await asking(byHttp((request, response) => behave(request, request.url ?? '', response)));
    const paths = Array.from({ length: 600 }, (_, index) => `/${index}`);
    const answers = await Promise.allSettled(
      paths.map((path) => ask(path, chance() < 0.5 ? {} : { into: Buffer.alloc(120_000) })),
    );
    const answered = answers.flatMap((answer, index) =>
      answer.status === 'fulfilled' ? [{ path: paths[index] ?? '', text: answer.value.body.toString() }] : [],
    );
    for (const { path, text } of answered) expect(text.replaceAll(`body of ${path} `, '')).toBe('');
    expect(answered.length).toBeGreaterThan(400);
    expect(answered.length).toBeLessThan(590);
  });
});

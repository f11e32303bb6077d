import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { createFaults } from '../faults.ts';
import { startEdge } from './edge.ts';

const HOST = 'media.example.com';

/** A runtime that answers the first request of each connection, and ends the connection when a second one comes. */
async function forgetfulRuntime(): Promise<{ port: number; connections(): number }> {
  let connections = 0;
  const server = net.createServer((socket) => {
    connections++;
    let requests = 0;
    socket.on('error', () => {});
    socket.on('data', () => {
      if (++requests > 1) return socket.destroy();
      return socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the runtime listens on no TCP port');
  return { port: address.port, connections: () => connections };
}

async function edgeBefore(port: number): Promise<(method?: string, body?: string) => Promise<number>> {
  const edge = await startEdge(
    { address: '127.0.0.1', port: 0, workersSubdomain: 'team', faults: createFaults() },
    {
      routes: [{ pattern: `${HOST}/*`, script: 'media' }],
      deployments: new Map([['media', [{ versionId: 'v1', percentage: 100 }]]]),
      versions: new Map([['v1', { versionId: 'v1', script: 'media', port }]]),
      subdomains: new Map(),
    },
    () => {},
  );
  onTestFinished(() => edge.close());
  return async (method = 'GET', body) => {
    const headers = { host: HOST, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) };
    const request = http.request({ host: '127.0.0.1', port: edge.port, path: '/', method, headers, agent: false });
    request.end(body);
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    response.resume();
    await once(response, 'end');
    return response.statusCode ?? 0;
  };
}

it('asks once more by a fresh connection when a kept one ends in the moment that it is used again', async () => {
  const runtime = await forgetfulRuntime();
  const ask = await edgeBefore(runtime.port);
  expect([await ask(), await ask(), await ask()]).toEqual([200, 200, 200]);
  expect(runtime.connections()).toBeGreaterThan(1);
});

it('gives each request with a body a connection of its own: it could not be sent twice', async () => {
  const runtime = await forgetfulRuntime();
  const ask = await edgeBefore(runtime.port);
  expect([await ask(), await ask('POST', 'x'), await ask('POST', 'y')]).toEqual([200, 200, 200]);
});

it('says 502 when nobody is there', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const address = closed.address();
  closed.close();
  await once(closed, 'close');
  const ask = await edgeBefore(address !== null && typeof address === 'object' ? address.port : 0);
  expect(await ask()).toBe(502);
});

import dgram from 'node:dgram';
import net from 'node:net';

const FIRST = 18_080;
const TRIES = 400;

function tcpFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else if (error.code === 'EADDRNOTAVAIL')
        reject(new Error(`this machine has no address ${address}; on macOS: sudo ifconfig lo0 alias ${address}`));
      else reject(error);
    });
    server.listen(port, address, () => server.close(() => resolve(true)));
  });
}

function udpFree(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket('udp4');
    socket.once('error', () => resolve(false));
    socket.bind(port, address, () => socket.close(() => resolve(true)));
  });
}

/** One port that is free on every address: names carry no port, so all sides of a name must share it. */
export async function sharedPort(addresses: readonly string[], kind: 'tcp' | 'dns', from = FIRST): Promise<number> {
  for (let port = from; port < from + TRIES; port++) {
    const free = await Promise.all(
      addresses.map(
        async (address) => (await tcpFree(address, port)) && (kind === 'tcp' || (await udpFree(address, port))),
      ),
    );
    if (free.every(Boolean)) return port;
  }
  throw new Error(`no port from ${from} to ${from + TRIES} is free on ${addresses.join(', ')}`);
}

import type { Answer, DecodedPacket, Packet } from 'dns-packet';
import packet from 'dns-packet';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';

/** RFC 1035 §4.1.1 response codes, in the low bits of the flags. */
export const RCODE = { noError: 0, serverFailure: 2, nameError: 3, refused: 5 } as const;

/** How often a port is chosen that somebody takes meanwhile. */
const PORTS_TRIED = 8;

export interface DnsReply {
  readonly rcode: number;
  readonly answers: readonly Answer[];
  readonly authorities?: readonly Answer[];
  readonly authoritative: boolean;
  /** Spoils the message on its way; for tests that stand in for a broken server. */
  readonly spoil?: (message: Buffer) => Buffer;
}

export interface DnsServer {
  /** `ip:port` */
  readonly address: string;
  close(): Promise<void>;
}

function encodeReply(query: DecodedPacket, reply: DnsReply): Buffer {
  const { spoil = (message) => message } = reply;
  const message: Packet = {
    type: 'response',
    id: query.id ?? 0,
    flags:
      (reply.authoritative ? packet.AUTHORITATIVE_ANSWER : packet.RECURSION_AVAILABLE) |
      packet.RECURSION_DESIRED |
      reply.rcode,
    questions: query.questions ?? [],
    answers: [...reply.answers],
    authorities: [...(reply.authorities ?? [])],
  };
  return spoil(packet.encode(message));
}

/** A DNS server over UDP and TCP; the same port for both. What is no DNS message is ignored, as servers do. */
export async function startDnsServer(
  address: string,
  port: number,
  answer: (question: { name: string; type: string }) => Promise<DnsReply>,
): Promise<DnsServer> {
  const reply = async (message: Buffer): Promise<{ query: DecodedPacket; reply: DnsReply } | null> => {
    let query: DecodedPacket;
    try {
      query = packet.decode(message);
    } catch {
      return null;
    }
    const [question] = query.questions ?? [];
    if (question === undefined) return null;
    return { query, reply: await answer({ name: question.name, type: question.type }) };
  };
  const udp = dgram.createSocket('udp4');
  let closed = false;
  udp.on('message', (message, client) => {
    void reply(message).then((made) => {
      if (made !== null && !closed) udp.send(encodeReply(made.query, made.reply), client.port, client.address);
    });
  });
  const tcp = net.createServer((socket) => {
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.byteLength < 2 || received.byteLength < 2 + received.readUInt16BE(0)) return;
      const message = received.subarray(2, 2 + received.readUInt16BE(0));
      void reply(message).then((made) => {
        if (made === null) return socket.destroy();
        const bytes = encodeReply(made.query, made.reply);
        const length = Buffer.alloc(2);
        length.writeUInt16BE(bytes.byteLength);
        socket.end(Buffer.concat([length, bytes]));
        return undefined;
      });
    });
  });
  const bound = await bindBoth(udp, tcp, address, port);
  return {
    address: `${address}:${bound}`,
    async close() {
      closed = true;
      await Promise.all([
        new Promise<void>((resolve) => udp.close(() => resolve())),
        new Promise<void>((resolve) => tcp.close(() => resolve())),
      ]);
    },
  };
}

/** Both on one port. Where any port will do, UDP chooses, again when TCP has no room there. */
async function bindBoth(udp: dgram.Socket, tcp: net.Server, address: string, port: number): Promise<number> {
  for (let tries = 1; ; tries++) {
    const wanted = port === 0 ? await freePort(address) : port;
    tcp.listen(wanted, address);
    try {
      await once(tcp, 'listening');
      udp.bind(wanted, address);
      await once(udp, 'listening');
      return wanted;
    } catch (error) {
      if (tcp.listening) await new Promise((resolve) => tcp.close(resolve));
      if (port !== 0 || tries === PORTS_TRIED) throw error;
    }
  }
}

/** A UDP port that is free now. */
async function freePort(address: string): Promise<number> {
  const socket = dgram.createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

/** Asks one server over UDP; `null` when it does not answer in time. */
export async function askServer(
  server: string,
  question: { name: string; type: string },
  timeoutMs: number,
): Promise<DecodedPacket | null> {
  const [host = '', port = ''] = server.split(/:(?=\d+$)/);
  const socket = dgram.createSocket('udp4');
  const id = 1 + Math.floor(Math.random() * 65_534);
  return new Promise((resolve) => {
    const done = (answer: DecodedPacket | null): void => {
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => done(null), timeoutMs);
    socket.on('error', () => done(null));
    socket.on('message', (message) => {
      const answer = packet.decode(message);
      if (answer.id === id) done(answer);
    });
    socket.send(
      packet.encode({
        type: 'query',
        id,
        flags: packet.RECURSION_DESIRED,
        questions: [{ name: question.name, type: question.type as 'A' }],
      }),
      Number(port),
      host,
    );
  });
}

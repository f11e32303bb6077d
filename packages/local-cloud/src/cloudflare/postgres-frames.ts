/** Postgres' own names of the messages that a pool has to know; the rest passes through. */
export const MESSAGE = {
  terminate: 0x58,
  password: 0x70,
  query: 0x51,
  sync: 0x53,
  functionCall: 0x46,
  readyForQuery: 0x5a,
} as const;
/** Codes in place of a protocol version; the version itself is 3.0. */
export const STARTUP = { cancel: 80877102, ssl: 80877103, gss: 80877104, version3: 196608 } as const;
/** The first byte of ReadyForQuery's body: no transaction is open. */
export const IDLE = 0x49;

const HEADER = 5;

/** Where a message ended: `at` in the chunk, in bytes. `first` is its body's first byte, -1 when it has none. */
export interface Frame {
  readonly type: number;
  readonly first: number;
  readonly at: number;
}

/**
 * Tells the messages of one direction of a connection that is signed in, whatever pieces it comes in; bodies are not
 * kept. Protocol 3: a type, a length that counts itself, a body.
 */
export function createFrameReader(): (chunk: Buffer) => Frame[] {
  const header = Buffer.alloc(HEADER);
  let [inHeader, left, first] = [0, 0, -1];
  return (chunk) => {
    const frames: Frame[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (inHeader < HEADER) {
        const taken = Math.min(HEADER - inHeader, chunk.length - at);
        chunk.copy(header, inHeader, at, at + taken);
        [inHeader, at] = [inHeader + taken, at + taken];
        if (inHeader < HEADER) break;
        [left, first] = [header.readUInt32BE(1) - 4, -1];
      }
      if (left > 0 && at < chunk.length && first < 0) first = chunk[at] ?? -1;
      const taken = Math.min(left, chunk.length - at);
      [left, at] = [left - taken, at + taken];
      if (left > 0) break;
      frames.push({ type: header[0] ?? 0, first, at });
      inHeader = 0;
    }
    return frames;
  };
}

/** A message of the server. */
export function serverMessage(type: string, body: Buffer): Buffer {
  const header = Buffer.alloc(HEADER);
  header.write(type, 0, 'latin1');
  header.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([header, body]);
}

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
export const ASK_FOR_PASSWORD = serverMessage('R', int32(3));
export const SIGNED_IN = Buffer.concat([serverMessage('R', int32(0)), serverMessage('Z', Buffer.from([IDLE]))]);
export const fatal = (code: string, text: string): Buffer =>
  serverMessage('E', Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${text}\0\0`));
/** A simple query. */
export const queryMessage = (text: string): Buffer => serverMessage('Q', Buffer.from(`${text}\0`));

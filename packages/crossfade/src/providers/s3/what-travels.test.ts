import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { metaOf } from '../object-meta.ts';
import { createObjectStore } from './object-store.ts';

const TOKEN = 'canary-session-token';
const TEXT = 'a text that compresses well, well, well, well, well, well';
type Store = ReturnType<typeof createObjectStore>;

async function storeAt(server: net.Server, over = {}): Promise<Store> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const credential = { region: 'auto', accessKeyId: 'canary-access-key', secretAccessKey: 'canary-secret-key' };
  const store = createObjectStore({
    label: 's3',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: 'media',
    ...credential,
    partSizeBytes: 5 << 20,
    pace: 0.001,
    ...over,
  });
  onTestFinished(async () => {
    await store.close();
    server.close();
  });
  return store;
}

const signedNames = (request: IncomingMessage): string[] =>
  (/SignedHeaders=([^,]+)/.exec(request.headers.authorization ?? '')?.[1] ?? '').split(';');

describe('a session token', () => {
  it('goes along, signed, with every kind of request, and into no error', async () => {
    const seen = new Map<string, unknown>();
    const server = http.createServer((request, response) => {
      const name = `${request.method} ${(request.url ?? '').replace(/\?.*$/, '')}`;
      seen.set(name, [request.headers['x-amz-security-token'], signedNames(request).includes('x-amz-security-token')]);
      request.resume();
      const said = `<Error><Code>ExpiredToken</Code><Message>${TOKEN} of canary-secret-key</Message></Error>`;
      request.on('end', () => response.writeHead(400).end(request.method === 'HEAD' ? '' : said));
    });
    const store = await storeAt(server, { sessionToken: TOKEN });
    const { meta, upload } = { meta: metaOf({}), upload: { key: 'part', id: '1' } };
    const source = { ...store.copySource('source'), look: async () => null };
    const head = { key: 'source', size: 1, etag: 'e', lastModified: '' };
    const calls: (() => Promise<unknown>)[] = [
      () => store.list()[Symbol.asyncIterator]().next(),
      () => store.head('head'),
      () => store.get('get'),
      () => store.put('put', Buffer.from('x'), 1, meta),
      () => store.delete('delete'),
      () => store.createUpload('create', meta),
      () => store.putPart(upload, 1, Buffer.from('x'), '9dd4e461268c8034f5c8564e155c67a6'),
      () => store.publishUpload({ key: 'publish', id: '1' }, 1, ['e']),
      () => store.deleteUpload({ key: 'abort', id: '1' }),
      () => store.putCopy('copy', source, head, async () => meta),
    ];
    for (const call of calls) {
      const error = await call().then(
        () => 'no error',
        (reason: unknown) => String(reason),
      );
      expect(error).toMatch(/answered 400/);
      expect(error).not.toMatch(/canary/);
    }
    expect(seen.size).toBe(calls.length);
    for (const told of seen.values()) expect(told).toEqual([TOKEN, true]);
  });
});

/** As R2 answers (rclone#8137, cloudflare-docs#8491): decompressed, or compressed on its way, as the client takes it. */
function r2Like(stored: Buffer, coding: string | undefined, compresses = false): RequestListener {
  return (request, response) => {
    expect(signedNames(request)).not.toContain('accept-encoding');
    const takes = (one: string): boolean => String(request.headers['accept-encoding'] ?? '').includes(one);
    const etag = { etag: '"version-1"' };
    const end = (body: Buffer): void => void response.end(request.method === 'HEAD' ? undefined : body);
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? [];
    if (from !== undefined) {
      const part = stored.subarray(Number(from), Number(to) + 1);
      response.writeHead(206, { ...etag, 'content-length': part.byteLength });
      end(part);
    } else if (coding !== undefined && !takes(coding)) {
      response.writeHead(200, etag);
      end(gunzipSync(stored));
    } else if (coding === undefined && compresses && takes('gzip')) {
      response.writeHead(200, { ...etag, 'content-encoding': 'gzip' });
      end(gzipSync(stored));
    } else {
      const labelled = coding === undefined ? {} : { 'content-encoding': coding };
      response.writeHead(200, { ...etag, 'content-length': stored.byteLength, ...labelled });
      end(stored);
    }
  };
}

describe('an object comes as it is stored', () => {
  it.each([
    ['gzip, labelled so', gzipSync(TEXT), 'gzip', false],
    ['br, labelled so', Buffer.from('not really br'), 'br', false],
    ['plain, labelled gzip', Buffer.from(TEXT), 'gzip', false],
    ['gzip without a label', gzipSync(TEXT), undefined, false],
    ['plain, of a type that is compressed on its way', Buffer.from(TEXT), undefined, true],
    ['plain, and longer when it is compressed', Buffer.from('x'), undefined, true],
  ])('%s: whole, ranged, streamed, and with its length', async (_name, stored, coding, compresses) => {
    const store = await storeAt(http.createServer(r2Like(stored, coding, compresses)));
    const size = stored.byteLength;
    expect(await store.head('song')).toMatchObject({ size, meta: { contentEncoding: coding ?? null } });
    const opened = await store.get('song');
    expect(opened).toMatchObject({ size, meta: { contentEncoding: coding ?? null } });
    if (opened !== null) expect((await buffer(opened.body)).equals(stored)).toBe(true);
    const version = { size, etag: 'version-1' };
    const [whole, last] = [Buffer.alloc(size), Buffer.alloc(1)];
    expect(await store.read('song', whole, { offset: 0, ...version })).toMatchObject({
      meta: { contentEncoding: coding ?? null },
    });
    expect(whole.equals(stored)).toBe(true);
    if (size > 1) {
      await store.read('song', last, { offset: size - 1, ...version });
      expect(last.equals(stored.subarray(-1))).toBe(true);
    }
  });
});

describe('metadata', () => {
  it('in raw UTF-8 or Latin-1 is read from its bytes, and sent on as one encoded word', async () => {
    const head = Buffer.concat([
      Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 2\r\netag: "e"\r\nx-amz-meta-title: Beyoncé\r\nx-amz-meta-bar: '),
      Buffer.from('café', 'latin1'),
      Buffer.from('\r\ncontent-disposition: attachment; filename="Déjà.mp3"\r\n\r\n'),
    ]);
    const raw = net.createServer((socket) => socket.on('error', () => {}).on('data', () => socket.write(head)));
    const { meta } = (await (await storeAt(raw)).head('song')) ?? {};
    expect(meta).toMatchObject({
      custom: { title: 'Beyoncé', bar: 'café' },
      contentDisposition: 'attachment; filename="Deja.mp3"; filename*=UTF-8\'\'D%C3%A9j%C3%A0.mp3',
    });
    let sent: http.IncomingHttpHeaders = {};
    const target = http.createServer((request, response) => {
      sent = request.headers;
      request.resume().on('end', () => response.writeHead(200, { etag: '"e"' }).end());
    });
    await (await storeAt(target)).put('song', Buffer.from('ok'), 2, meta ?? metaOf({}));
    expect(sent).toMatchObject({
      'x-amz-meta-title': '=?UTF-8?B?QmV5b25jw6k=?=',
      'content-disposition': 'attachment; filename="Deja.mp3"; filename*=UTF-8\'\'D%C3%A9j%C3%A0.mp3',
    });
  });

  it.each(['contentType', 'cacheControl', 'contentLanguage', 'contentEncoding', 'expires'] as const)(
    'that no request can carry fails its object by key and header, before anything is sent: %s',
    async (field) => {
      const asked: unknown[] = [];
      const store = await storeAt(http.createServer((request) => void asked.push(request.url)));
      const meta = metaOf({ [field]: 'audio/mpeg; name="Déjà.mp3"' });
      const header = field.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
      const source = { ...store.copySource('a'), look: async () => null };
      const head = { key: 'a', size: 1, etag: 'e', lastModified: '' };
      for (const call of [
        () => store.put('the-song', Buffer.from('x'), 1, meta),
        () => store.createUpload('the-song', meta),
        () => store.putCopy('the-song', source, head, async () => meta),
      ])
        await expect(call()).rejects.toThrow(new RegExp(`the-song has the header ${header} .*Déjà`));
      expect(asked).toEqual([]);
    },
  );
});

import { hash } from 'node:crypto';
import http from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it, onTestFinished } from 'vitest';
import { metaOf } from '../object-meta.ts';
import { createObjectStore } from './object-store.ts';

const PART = Buffer.alloc(1024, 'part');
const MD5 = hash('md5', PART);
const UPLOAD = { key: 'song', id: 'upload-1' };
type Answer = { status?: number; headers?: Record<string, string>; body?: string };

/** A store whose server answers as `answer` says. */
async function storeOf(answer: (call: string, body: string) => Answer): Promise<ReturnType<typeof createObjectStore>> {
  const server = http.createServer((request, response) => {
    void text(request).then((body) => {
      const told = answer(`${request.method} ${request.url}`, body);
      response.writeHead(told.status ?? 200, told.headers).end(request.method === 'HEAD' ? undefined : told.body);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const store = createObjectStore({
    label: 's3',
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    region: 'auto',
    accessKeyId: 'access-key',
    secretAccessKey: 'secret-key',
    bucket: 'media',
    partSizeBytes: 5 << 20,
    pace: 0.001,
  });
  onTestFinished(async () => {
    await store.close();
    server.close();
  });
  return store;
}

const COMPLETED = `<CompleteMultipartUploadResult><ETag>"whole-1"</ETag></CompleteMultipartUploadResult>`;
const missing = (call: string): Answer => ({
  status: 404,
  body: call.startsWith('HEAD') ? '' : '<Error><Code>NoSuchUpload</Code></Error>',
});

describe("a part's name", () => {
  // supabase/storage 1.11.2 with its file backend answers without quotes, and compares to the letter.
  it.each([MD5, `"${MD5}"`, '"an-opaque&name"'])('goes back to the letter as the server gave it: %s', async (etag) => {
    const sent: string[] = [];
    const store = await storeOf((call, body) => {
      if (call.startsWith('HEAD')) return missing(call);
      if (call.startsWith('PUT')) return { headers: { etag } };
      sent.push(body);
      return { body: COMPLETED };
    });
    const name = await store.putPart(UPLOAD, 1, PART, MD5);
    expect(name).toBe(etag.replaceAll('"', ''));
    await store.publishUpload(UPLOAD, PART.byteLength, [name]);
    expect(sent[0]).toContain(`<PartNumber>1</PartNumber><ETag>${etag.replaceAll('&', '&amp;')}</ETag>`);
  });

  it.each([MD5, `&quot;${MD5}&quot;`])(
    'goes back as it was listed, where an earlier attempt sent the part: %s',
    async (listed) => {
      const sent: string[] = [];
      const store = await storeOf((call, body) => {
        if (call.startsWith('HEAD')) return missing(call);
        if (call.startsWith('GET /media?'))
          return {
            body: '<ListMultipartUploadsResult><Upload><Key>song</Key><UploadId>upload-1</UploadId></Upload></ListMultipartUploadsResult>',
          };
        // No Size: supabase/storage 1.11.2 tells none.
        if (call.startsWith('GET'))
          return {
            body: `<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>${listed}</ETag></Part></ListPartsResult>`,
          };
        sent.push(body);
        return { body: COMPLETED };
      });
      expect(await store.listUploads('song')).toEqual([
        { id: 'upload-1', parts: [{ number: 1, size: null, md5: MD5 }] },
      ]);
      await store.publishUpload(UPLOAD, PART.byteLength, [MD5]);
      expect(sent[0]).toContain(`<ETag>${listed.replaceAll('&quot;', '"')}</ETag>`);
    },
  );
});

it('unfinished uploads whose parts are told in an unknown way are as good as none: the object goes up anew', async () => {
  const store = await storeOf((call) => ({
    body: call.startsWith('GET /media?')
      ? '<ListMultipartUploadsResult><Upload><Key>song</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>'
      : '<ListPartsResult><Part><Number>1</Number></Part></ListPartsResult>',
  }));
  expect(await store.listUploads('song')).toEqual([]);
});

describe('an upload whose completion answers 500, and is not there any more (ClickHouse#114375)', () => {
  const OLD = { etag: '"0123456789abcdef0123456789abcdef-1"', modified: 'Fri, 02 Jan 2026 03:04:05 GMT' };
  /** The object that lies there before and after the first attempt to complete. */
  async function publish(
    after: { etag: string; modified: string } | null,
    before: typeof after = OLD,
  ): Promise<unknown> {
    let completions = 0;
    const store = await storeOf((call) => {
      const lies = completions === 0 ? before : after;
      if (call.startsWith('HEAD'))
        return lies === null
          ? missing(call)
          : { headers: { etag: lies.etag, 'last-modified': lies.modified, 'content-length': '1024' } };
      completions++;
      return completions === 1 ? { status: 500, body: '<Error><Code>InternalError</Code></Error>' } : missing(call);
    });
    return store.publishUpload(UPLOAD, PART.byteLength, ['a-name-of-its-own']);
  }
  const FRESH = { etag: '"ffffffffffffffffffffffffffffffff-1"', modified: 'Sat, 03 Jan 2026 03:04:05 GMT' };

  it('is not taken for done when the object is the one that lay there before', async () => {
    await expect(publish(OLD)).rejects.toThrow('NoSuchUpload');
    await expect(publish(null, null)).rejects.toThrow('NoSuchUpload');
  });

  it.each([
    ['has another ETag', FRESH, OLD],
    ['was written later', { ...OLD, modified: FRESH.modified }, OLD],
    ['was not there before', OLD, null],
  ])('is done when the object %s', async (_name, after, before) => {
    expect(await publish(after, before)).toEqual({ etag: after.etag.replaceAll('"', '') });
  });
});

it('an upload in parts is not begun with metadata that no request can carry', async () => {
  const asked: string[] = [];
  const store = await storeOf((call) => {
    asked.push(call);
    return { body: '<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>' };
  });
  await expect(store.createUpload('song', metaOf({ cacheControl: 'é' }))).rejects.toThrow(
    'song has the header cache-control',
  );
  expect(asked).toEqual([]);
  expect(await store.createUpload('song', metaOf({ cacheControl: 'no-cache' }))).toBe('1');
});

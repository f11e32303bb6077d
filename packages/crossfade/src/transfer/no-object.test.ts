import type { ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyObjects } from './copy.ts';
import { startS3Server, type S3Server } from './fixtures/s3-server.ts';
import { verifyObjects } from './verify.ts';

let s3: S3Server;
beforeEach(async () => {
  s3 = await startS3Server();
});
afterEach(() => s3.close());

const { signal } = new AbortController();
const RIGHT = 'the right bytes';
const OLDER = 'an older, right object';

/** Answers to whoever asks for the object, and to nobody else. */
function answerBad(status: number, headers: Record<string, string>, body: string): void {
  s3.fault = (call, request, response: ServerResponse) => {
    if (call !== 'GET media/bad' && call !== 'HEAD media/bad') return false;
    request.resume();
    // A 204 has no length (RFC 9110, section 8.6).
    const length = status === 204 ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    response.writeHead(status, { 'last-modified': new Date(0).toUTCString(), ...length, ...headers });
    response.end(request.method === 'HEAD' ? undefined : body);
    return true;
  };
}

describe('what a store answers instead of an object that it lists', () => {
  it.each([
    ['a redirect', 307, { location: 'http://elsewhere.example/bad' }, '', /redirects to elsewhere\.example/],
    ['a redirect for good', 301, { location: 'http://eu.example/bad' }, '', /redirects to eu\.example/],
    ['a redirect that does not say where', 303, {}, '', /redirects: check the endpoint/],
    ['a page to sign in', 200, { 'content-type': 'text/html' }, '<html>login', /lists 15 bytes, and answers with 11/],
    ['nothing', 200, {}, '', /lists 15 bytes, and answers with 0/],
    ['no content', 204, {}, '', /answered 204|not the object|no object/],
    ['a reset', 205, {}, '', /answered 205|not the object|no object/],
    [
      'a part that nobody asked for',
      206,
      { 'content-range': 'bytes 0-2/15' },
      'the',
      /answered 206|not the object|no object/,
    ],
  ])(
    '%s: it fails by name, the others go on, and what the target held stays',
    async (_what, status, headers, body, says) => {
      s3.place('media/bad', RIGHT);
      s3.place('media/good', 'good');
      s3.place('backup/bad', OLDER);
      answerBad(status, headers, body);
      const stores = { from: s3.store('media'), to: s3.store('backup', { secretAccessKey: 'another' }) };
      const { copied, failed } = await copyObjects({ ...stores, concurrency: 2, signal });
      expect(failed).toEqual([{ key: 'bad', reason: expect.stringMatching(says) }]);
      expect(copied).toBe(1);
      expect(s3.objects.get('backup/bad')?.bytes.toString()).toBe(OLDER);
      for (const deep of [false, true]) {
        const { account } = await verifyObjects({ ...stores, concurrency: 2, signal, deep });
        expect(account).toEqual({ listed: 2, proven: 1, failed: 1, gone: 0, late: 0 });
      }
    },
  );

  it('a redirect of what is put is no answer that it is stored', async () => {
    s3.place('media/song', RIGHT);
    s3.fault = (call, request, response) => {
      if (call !== 'PUT backup/song') return false;
      request.resume();
      response.writeHead(301, { location: 'http://eu.example/song', 'content-length': '0' }).end();
      return true;
    };
    const stores = { from: s3.store('media'), to: s3.store('backup', { secretAccessKey: 'another' }) };
    const { copied, failed } = await copyObjects({ ...stores, concurrency: 1, signal });
    expect([copied, failed]).toEqual([0, [{ key: 'song', reason: expect.stringMatching(/redirects to eu\.example/) }]]);
  });
});

it('headers that come in several lines are one list, as HTTP has it', async () => {
  s3.fault = (call, request, response) => {
    if (call !== 'HEAD media/song') return false;
    request.resume();
    const fields = [
      ['content-length', '1'],
      ['last-modified', new Date(0).toUTCString()],
      ['etag', '"x"'],
      ['cache-control', 'max-age=1'],
      ['cache-control', 'public'],
      ['content-language', 'de'],
      ['content-language', 'en'],
      ['x-amz-meta-d', 'one'],
      ['x-amz-meta-d', 'two'],
    ];
    response.writeHead(200, fields.flat());
    response.end();
    return true;
  };
  expect((await s3.store('media').head('song'))?.meta).toMatchObject({
    cacheControl: 'max-age=1, public',
    contentLanguage: 'de, en',
    custom: { d: 'one, two' },
  });
});

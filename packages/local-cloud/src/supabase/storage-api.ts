import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson, sendObject } from './answer.ts';
import type { Who } from './caller-session.ts';
import type { ProjectFiles } from './object-files.ts';
import type { StoredObject } from './object-store.ts';
import { infoJson, refuse, rowJson } from './storage-answer.ts';
import { createBucketsApi } from './storage-buckets.ts';
import { StorageError } from './storage-error.ts';
import { createLinksApi } from './storage-links.ts';
import { createListsApi } from './storage-lists.ts';
import { copyObject, moveObject } from './storage-moves.ts';
import { mustBeValidKey } from './storage-rules.ts';
import { takeUpload } from './storage-uploads.ts';
import type { Caller, Tokens } from './tokens.ts';

const removal = v.object({ prefixes: v.array(v.string()) });
const ANONYMOUS: Caller = { role: 'anon', sub: null, claims: {} };

/** One request, taken apart. */
interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly method: string;
  readonly caller: Caller;
}

/** Supabase Storage's REST API, below `/storage/v1`. */
export function createStorageApi(files: ProjectFiles, tokens: Tokens, projectLimit: number) {
  const { rows } = files;
  const buckets = createBucketsApi(files, projectLimit);
  const lists = createListsApi(files);
  const links = createLinksApi(files, tokens);

  async function send({ request, response }: Asked, who: Who, bucket: string, name: string): Promise<void> {
    const object = await found(who, bucket, name);
    await sendObject(request, response, files, object, {
      metadata: false,
      beyond: () => refuse(response, new StorageError('InvalidRange')),
    });
  }

  /** A missing permission, and a missing bucket, look like a missing object. */
  async function found(who: Who, bucket: string, name: string): Promise<StoredObject> {
    mustBeValidKey(name);
    const object = await rows.find(who, bucket, name);
    if (object === null) throw new StorageError('NoSuchKey');
    return object;
  }

  async function publicBucket(id: string): Promise<string> {
    const bucket = await files.bucket(id);
    if (bucket === null || !bucket.public) throw new StorageError('NoSuchBucket');
    return id;
  }

  async function upload({ request, response }: Asked, to: Grant): Promise<void> {
    mustBeValidKey(to.name);
    const bucket = await files.bucket(to.bucket);
    if (bucket === null) throw new StorageError('NoSuchBucket');
    await takeUpload(files, request, response, { ...to, bucket, projectLimit });
  }

  async function removeMany({ request, response, caller }: Asked, bucket: string): Promise<void> {
    const body = v.safeParse(removal, await readJson(request));
    if (!body.success) throw new StorageError('InvalidRequest');
    const removed = await rows.remove(caller, bucket, body.output.prefixes);
    await files.discard(removed);
    sendJson(response, 200, removed.map(rowJson));
  }

  async function removeOne({ response, caller }: Asked, bucket: string, name: string): Promise<void> {
    const removed = await rows.remove(caller, bucket, [name]);
    if (removed.length === 0) throw new StorageError('NoSuchKey');
    await files.discard(removed);
    sendJson(response, 200, { message: 'Successfully deleted' });
  }

  /** `/object/BUCKET/KEY`, and all of `/object/BUCKET`. */
  async function onObject(asked: Asked, bucket: string, name: string): Promise<void> {
    const { request, method, caller } = asked;
    if (method === 'DELETE') return name === '' ? removeMany(asked, bucket) : removeOne(asked, bucket, name);
    if (method === 'GET' || method === 'HEAD') {
      const isPublic = (await files.bucket(bucket))?.public === true;
      if (caller === ANONYMOUS && !isPublic) throw new StorageError('NoSuchBucket');
      return send(asked, isPublic ? 'server' : caller, bucket, name);
    }
    if (method !== 'POST' && method !== 'PUT') throw new StorageError('NoSuchRoute');
    const upsert = method === 'PUT' || request.headers['x-upsert'] === 'true';
    return upload(asked, { bucket, name, who: caller, owner: caller.sub, upsert });
  }

  /** The routes below a word of their own: `/object/WORD/BUCKET/KEY`. */
  async function onWord(asked: Asked, word: string, path: readonly string[]): Promise<'no such word' | void> {
    const { request, response, url, method, caller } = asked;
    const [bucket = '', ...rest] = path;
    const name = rest.join('/');
    const reads = method === 'GET' || method === 'HEAD';
    if (word === 'public' && reads) return send(asked, 'server', await publicBucket(bucket), name);
    if (word === 'authenticated' && reads) return send(asked, caller, bucket, name);
    if (word === 'sign' && reads) {
      await links.granted(url, bucket, name);
      return send(asked, 'server', bucket, name);
    }
    if (word === 'sign' && method === 'POST')
      return name === ''
        ? links.signMany(request, response, bucket, caller)
        : links.sign(request, response, bucket, name, caller);
    if (word === 'info' && reads) {
      // `info/authenticated/…` and `info/public/…` beside the short form.
      if (bucket === 'public') {
        const [of = '', ...key] = rest;
        return sendJson(response, 200, infoJson(of, await found('server', await publicBucket(of), key.join('/'))));
      }
      const [of = '', ...key] = bucket === 'authenticated' ? rest : path;
      return sendJson(response, 200, infoJson(of, await found(caller, of, key.join('/'))));
    }
    if ((word === 'list' || word === 'list-v2') && method === 'POST' && name === '')
      return lists(request, response, word, bucket, caller);
    if (word === 'copy' && method === 'POST' && path.length === 0) return copyObject(files, request, response, caller);
    if (word === 'move' && method === 'POST' && path.length === 0) return moveObject(files, request, response, caller);
    if (word === 'upload' && bucket === 'sign') {
      const [of = '', ...key] = rest;
      if (method === 'POST') return links.signUpload(request, response, of, key.join('/'), caller);
      if (method !== 'PUT') throw new StorageError('NoSuchRoute');
      const { upsert, owner } = await links.granted(url, of, key.join('/'));
      return upload(asked, { bucket: of, name: key.join('/'), who: 'server', owner, upsert });
    }
    return 'no such word';
  }

  async function route(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const path = decodePath(url.pathname.slice('/storage/v1/'.length));
    const [area = '', ...rest] = path.split('/');
    const caller = hasToken(request) ? await tokens.caller(request) : ANONYMOUS;
    // What opens to a link or to everybody asks for no token, and does not look at one.
    const open = rest[0] === 'public' || (rest[0] === 'sign' && request.method !== 'POST');
    if (caller === null && !(area === 'object' && open)) throw new StorageError('InvalidJWT');
    const asked: Asked = { request, response, url, method: request.method ?? 'GET', caller: caller ?? ANONYMOUS };
    if (area === 'bucket') return buckets(request, response, rest.join('/'), asked.caller);
    if (area === 'render')
      throw new StorageError('NotImplemented', `the local cloud has no ${path}: it is not part of what is rehearsed`);
    if (area !== 'object') throw new StorageError('NoSuchRoute');
    const [word = '', ...key] = rest;
    if ((await onWord(asked, word, key)) !== 'no such word') return;
    return onObject(asked, word, key.join('/'));
  }

  return async (request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> => {
    try {
      await route(request, response, url);
    } catch (error) {
      if (!(error instanceof StorageError) || response.headersSent) throw error;
      refuse(response, error);
    }
  };
}

interface Grant {
  readonly bucket: string;
  readonly name: string;
  readonly who: Who;
  readonly owner: string | null;
  readonly upsert: boolean;
}

const hasToken = ({ headers }: IncomingMessage): boolean =>
  headers.authorization !== undefined || headers['apikey'] !== undefined;

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw new StorageError('InvalidRequest', `'/${path}' is not a valid url component`);
  }
}

import { createServer, type Server } from 'node:http';

/** A refusal as supabase/storage 1.11.2 makes them: HTTP 400, and what it is in a body that a HEAD does not have. */
export const REFUSALS = {
  notThere: { statusCode: '404', error: 'not_found', message: 'Object not found' },
  notThereByCode: { statusCode: '404', code: 'NoSuchKey', error: 'NoSuchKey', message: 'Object not found' },
  impossibleKey: { statusCode: '400', error: 'InvalidKey', message: 'Invalid key: a' },
  expiredKey: { statusCode: '403', error: 'Unauthorized', message: '"exp" claim timestamp check failed' },
  rotatedKey: { statusCode: '403', error: 'Unauthorized', message: 'signature verification failed' },
  noBucket: { statusCode: '404', error: 'Bucket not found', message: 'Bucket not found' },
  noRoute: { statusCode: '404', error: 'Not Found', message: 'Route GET:/object not found' },
} as const;

export interface Refusal {
  readonly status: number;
  readonly body: string;
}
const isRefusal = (one: Record<string, unknown> | Refusal): one is Refusal => 'status' in one && 'body' in one;
export const refusal = (body: object, status = 400): Refusal => ({ status, body: JSON.stringify(body) });

/** One object of legacy, and everything about it that a test may want to be different. */
export interface OneObject {
  /** Why it cannot be had; `null` when it is there. */
  refused: Refusal | null;
  body: Buffer;
  /** Of the object's own answers; as bytes of Latin-1, so that any can be sent. */
  headers: Record<string, string>;
  /** What `info` tells besides, or why it does not. */
  info: Record<string, unknown> | Refusal;
  /** What was asked, in order; `info` is a method of its own here. */
  readonly asked: string[];
  /** Each is waited for before legacy sends the body, or deletes. */
  gates: { body: Promise<unknown>; delete: () => Promise<unknown> };
}

export function oneObject(body: string): OneObject {
  return {
    refused: null,
    body: Buffer.from(body),
    headers: { etag: '"e"', 'content-type': 'audio/wav' },
    info: {},
    asked: [],
    gates: { body: Promise.resolve(), delete: () => Promise.resolve() },
  };
}

/** Supabase Storage's REST API with the one object that `current` says at the moment. */
export function createLegacyDouble(current: () => OneObject): Server {
  return createServer(async ({ method = '', url = '' }, response) => {
    const object = current();
    const info = url.includes('/object/info/');
    object.asked.push(info ? 'INFO' : method);
    const refused = object.refused ?? (info && isRefusal(object.info) ? object.info : null);
    if (refused !== null) {
      const { status, body } = refused;
      response.writeHead(status, { 'content-type': 'application/json' });
      return void response.end(method === 'HEAD' ? undefined : body);
    }
    if (info)
      return void response.end(JSON.stringify({ content_type: object.headers['content-type'], ...object.info }));
    if (method === 'DELETE') {
      await object.gates.delete();
      object.refused = refusal(REFUSALS.notThere);
      return void response.end(JSON.stringify({ message: 'Successfully deleted' }));
    }
    response.writeHead(200, { ...object.headers, 'content-length': object.body.byteLength });
    if (method === 'HEAD') return void response.end();
    response.flushHeaders();
    await object.gates.body;
    response.end(object.body);
  });
}

import { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import * as v from 'valibot';
import { openDispatcher } from '../http/dispatcher.ts';
import { metaOf } from '../object-meta.ts';
import { isNotFound, isThrottled, malformed, ProviderError, unreachable } from '../provider-error.ts';
import type { ObjectHead, ObjectStore } from '../providers.ts';
import { createRequestRate } from '../request-rate.ts';
import { parseRetryAfter, retrying } from '../retry.ts';
import { announcedSize, headerText, readHead, readMeta, unquote } from '../s3/answers.ts';
import { readUserMetadata, UNHELD_HEADERS } from './object-info.ts';
import { demandBucket, demandServiceRole, untilPassed } from './storage-view.ts';
import { listByFolder } from './storage-rest-folders.ts';
import { plainHeader } from '../s3/header-text.ts';

export interface StorageRestOptions {
  readonly label: string;
  /** The project's own, `https://<ref>.supabase.co`. */
  readonly url: string;
  readonly serviceKey: string;
  readonly bucket: string;
  /** Requests a second at most, asked for each time since it may change; `null` for no limit. */
  readonly mostRequests?: () => number | null;
}

const PAGE = 1000;
const PARTIAL_CONTENT = 206;

const metadata = v.nullish(
  v.object({ size: v.optional(v.number(), 0), eTag: v.optional(v.string(), ''), lastModified: v.optional(v.string()) }),
);
const listed = v.object({
  name: v.string(),
  key: v.optional(v.string()),
  updated_at: v.nullish(v.string()),
  metadata,
});
const page = v.object({ hasNext: v.boolean(), nextCursor: v.optional(v.string()), objects: v.array(listed) });
const level = v.array(v.object({ ...listed.entries, id: v.nullable(v.string()) }));
const info = v.object({
  size: v.number(),
  etag: v.string(),
  content_type: v.nullish(v.string()),
  cache_control: v.nullish(v.string()),
  last_modified: v.nullish(v.string()),
  updated_at: v.nullish(v.string()),
  /** What the user has added. */
  metadata: v.nullish(v.record(v.string(), v.unknown())),
});
const bucketFound = v.object({ id: v.string() });
/** Storage answers HTTP 400 for nearly every error; the real status is in the body. */
const failure = v.object({
  statusCode: v.optional(v.union([v.string(), v.number()])),
  message: v.optional(v.string(), 'no reason given'),
  code: v.optional(v.string()),
  error: v.optional(v.string()),
});

/**
 * One bucket of Supabase Storage, read over REST with the service key: for projects that give out no S3 keys. It can
 * be read only. Custom metadata is told by `head`, not by `get`. Methods throw `ProviderError`.
 */
export function createStorageRest(options: StorageRestOptions): ObjectStore & { close(): Promise<void> } {
  const { label, bucket, serviceKey } = options;
  const origin = new URL(options.url);
  const secrets = [serviceKey];
  const dispatcher = openDispatcher(origin);
  const rate = createRequestRate(options.mostRequests);
  const throttled = new Set<(retryAfterMs: number | null) => void>();
  const pathOf = (area: string, key: string): string =>
    `/storage/v1/object/${area}/${[bucket, ...key.split('/')].map(encodeURIComponent).join('/')}`;

  async function send(
    method: 'GET' | 'POST',
    operation: string,
    path: string,
    details: { readonly json?: unknown; readonly headers?: Readonly<Record<string, string>> } = {},
  ): Promise<Dispatcher.ResponseData> {
    let response: Dispatcher.ResponseData;
    let text: string;
    await rate.turn();
    try {
      response = await dispatcher.request({
        origin: origin.origin,
        method,
        path,
        headers: {
          apikey: serviceKey,
          authorization: `Bearer ${serviceKey}`,
          ...(details.json === undefined ? {} : { 'content-type': 'application/json' }),
          ...details.headers,
        },
        body: details.json === undefined ? null : JSON.stringify(details.json),
      });
      if (response.statusCode < 400) {
        rate.answered();
        return response;
      }
      text = await response.body.text();
    } catch (error) {
      throw unreachable(label, operation, origin, error, secrets);
    }
    const parsed = v.safeParse(v.pipe(v.string(), v.parseJson(), failure), text);
    const told = parsed.success ? parsed.output : null;
    const status = Number(told?.statusCode ?? response.statusCode);
    const refused = new ProviderError(label, operation, {
      status: Number.isInteger(status) ? status : response.statusCode,
      code: told?.code ?? told?.error ?? null,
      message: told?.message ?? 'no reason given',
      retryAfterMs: parseRetryAfter(headerText(response.headers['retry-after'])),
      secrets,
    });
    if (isThrottled(refused)) {
      rate.refused(refused.retryAfterMs);
      for (const listener of throttled) listener(refused.retryAfterMs);
    }
    throw refused;
  }

  async function bucketExists(): Promise<boolean> {
    try {
      await ask(bucketFound, 'GET', `bucket ${bucket}`, `/storage/v1/bucket/${encodeURIComponent(bucket)}`);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  const demandWholeView = untilPassed(async () => {
    demandServiceRole(label, `list ${bucket}`, serviceKey);
    demandBucket(label, bucket, await bucketExists());
  });

  async function ask<Schema extends v.GenericSchema>(
    schema: Schema,
    method: 'GET' | 'POST',
    operation: string,
    path: string,
    json?: unknown,
  ): Promise<v.InferOutput<Schema>> {
    return retrying(async () => {
      const response = await send(method, operation, path, json === undefined ? {} : { json });
      let body: unknown;
      try {
        body = await response.body.json();
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw unreachable(label, operation, origin, error, secrets);
        throw malformed({ provider: label, operation, secrets }, response.statusCode);
      }
      const parsed = v.safeParse(schema, body);
      if (!parsed.success) throw malformed({ provider: label, operation, secrets }, response.statusCode);
      return parsed.output;
    });
  }

  const listPath = (version: 'list' | 'list-v2'): string =>
    `/storage/v1/object/${version}/${encodeURIComponent(bucket)}`;

  async function* listFlat(prefix: string): AsyncGenerator<ObjectHead> {
    let cursor: string | undefined;
    for (;;) {
      const asked = { prefix, limit: PAGE, with_delimiter: false, ...(cursor === undefined ? {} : { cursor }) };
      const answer = await ask(page, 'POST', `list-v2 ${bucket}`, listPath('list-v2'), asked);
      for (const one of answer.objects) yield headOf(one.key ?? one.name, one);
      if (!answer.hasNext) return;
      if (answer.nextCursor === undefined || answer.nextCursor === cursor)
        throw malformed({ provider: label, operation: `list-v2 ${bucket}`, secrets }, 200, 'the listing ends midway');
      cursor = answer.nextCursor;
    }
  }

  async function folderLevel(folder: string): Promise<{ name: string; object: ObjectHead | null }[]> {
    const entries: { name: string; object: ObjectHead | null }[] = [];
    for (let offset = 0; ; offset += PAGE) {
      const asked = { prefix: folder, limit: PAGE, offset, sortBy: { column: 'name', order: 'asc' } };
      const found = await ask(level, 'POST', `list ${bucket}`, listPath('list'), asked);
      for (const one of found)
        entries.push({ name: one.name, object: one.id === null ? null : headOf(`${folder}${one.name}`, one) });
      if (found.length < PAGE) return entries;
    }
  }

  return {
    label,
    unheldHeaders: UNHELD_HEADERS,
    bucketExists,
    onThrottled(listener) {
      throttled.add(listener);
      return () => throttled.delete(listener);
    },
    async *list(prefix = '', after = '') {
      await demandWholeView();
      const past = ({ key }: ObjectHead): boolean => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0;
      let told = false;
      try {
        for await (const head of listFlat(prefix)) {
          told = true;
          if (past(head)) yield head;
        }
      } catch (error) {
        // Older projects have no flat listing: they are walked folder by folder.
        if (told || !lacksFlatListing(error)) throw error;
        for await (const head of listByFolder(folderLevel, prefix)) if (past(head)) yield head;
      }
    },
    async head(key) {
      try {
        const found = await ask(info, 'GET', `info ${bucket}/${key}`, pathOf('info', key));
        const modified = found.last_modified ?? found.updated_at ?? '';
        const { size, content_type: contentType = null, cache_control: cacheControl = null } = found;
        return {
          key,
          size,
          etag: unquote(found.etag),
          lastModified: modified,
          meta: metaOf({
            contentType: asHeader(contentType),
            cacheControl: asHeader(cacheControl),
            ...readUserMetadata(found.metadata ?? {}),
          }),
        };
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
    },
    async get(key, range) {
      const operation = `GET ${bucket}/${key}`;
      const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range.start}-${range.end}` };
      let response: Dispatcher.ResponseData;
      try {
        response = await retrying(() => send('GET', operation, pathOf('authenticated', key), { headers }));
      } catch (error) {
        if (isMissing(error)) return null;
        throw error;
      }
      const size = announcedSize(response.headers);
      if (size === null || (range !== undefined && response.statusCode !== PARTIAL_CONTENT)) {
        await response.body.dump();
        const wrong = size === null ? 'the length of the body is not announced' : 'the range was not heeded';
        throw malformed({ provider: label, operation, secrets }, response.statusCode, wrong);
      }
      return {
        ...readHead(key, response.headers, size),
        meta: { ...readMeta(response.headers), untold: null },
        body: response.body,
      };
    },
    async put(key, body) {
      if (body instanceof Readable) body.destroy();
      throw readOnly(label, `PUT ${bucket}/${key}`);
    },
    async delete(key) {
      throw readOnly(label, `DELETE ${bucket}/${key}`);
    },
    close: () => dispatcher.close(),
  };
}

function headOf(key: string, one: v.InferOutput<typeof listed>): ObjectHead {
  const lastModified = one.metadata?.lastModified ?? one.updated_at ?? '';
  return { key, size: one.metadata?.size ?? 0, etag: unquote(one.metadata?.eTag ?? ''), lastModified };
}

function lacksFlatListing(error: unknown): boolean {
  if (!(error instanceof ProviderError) || error.code === 'NoSuchBucket') return false;
  return error.code === 'FeatureNotEnabled' || (error.status === 404 && /route/i.test(error.message));
}

/** A bucket that is not there is an error; a missing permission looks like a missing object. */
function isMissing(error: unknown): boolean {
  return isNotFound(error) && !(error instanceof ProviderError && error.code === 'NoSuchBucket');
}

function readOnly(label: string, operation: string): ProviderError {
  const message = 'Supabase Storage is only read over REST';
  const hint = 'write to it over S3: name its S3 endpoint and keys in the config';
  return new ProviderError(label, operation, { status: null, reached: true, retryable: false, message, hint });
}

/** As a header of S3 would be read: two ways to one object must not tell two things. */
const asHeader = (value: string | null): string | null => (value === null ? null : (plainHeader(value) ?? value));

import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson } from './answer.ts';
import type { ProjectFiles } from './object-files.ts';
import { SORT_COLUMNS } from './object-rows.ts';
import type { StoredObject } from './object-store.ts';
import { rowJson } from './storage-answer.ts';
import { StorageError } from './storage-error.ts';
import type { Caller } from './tokens.ts';
import { delimitedPage } from './delimited-page.ts';

const LARGEST_PAGE = 1000;
const order = v.picklist(['asc', 'desc']);
const listV1 = v.strictObject({
  prefix: v.string(),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 100),
  offset: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0)), 0),
  search: v.optional(v.string(), ''),
  sortBy: v.optional(v.strictObject({ column: v.picklist(SORT_COLUMNS), order: v.optional(order, 'asc') }), {
    column: 'name',
    order: 'asc',
  }),
});
const listV2 = v.strictObject({
  prefix: v.optional(v.string(), ''),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), LARGEST_PAGE),
  cursor: v.optional(v.string()),
  with_delimiter: v.optional(v.boolean(), false),
});

/** A body that is asked for something which the listing does not do is refused by name, and not half heard. */
async function parse<Schema extends v.GenericSchema>(schema: Schema, request: IncomingMessage) {
  const body = v.safeParse(schema, await readJson(request));
  if (body.success) return body.output;
  const [issue] = body.issues;
  throw new StorageError('InvalidRequest', `body/${v.getDotPath(issue) ?? ''}: ${issue.message}`);
}

/**
 * `/storage/v1/object/list` and `list-v2`. Row Level Security filters them without a word, so that whoever may see
 * nothing, or asks for a bucket that is not there, gets 200 and an empty list.
 */
export function createListsApi({ rows }: ProjectFiles) {
  async function byFolder(request: IncomingMessage, response: ServerResponse, bucket: string, caller: Caller) {
    const { prefix: told, search, limit, offset, sortBy } = await parse(listV1, request);
    const prefix = told === '' || told.endsWith('/') ? told : `${told}/`;
    const level = await rows.search(caller, bucket, { prefix, search, limit, offset, sort: sortBy });
    sendJson(
      response,
      200,
      level.map(({ name, object }) =>
        object === null
          ? { name, id: null, updated_at: null, created_at: null, last_accessed_at: null, metadata: null }
          : { ...rowJson(object), name },
      ),
    );
  }

  async function flat(request: IncomingMessage, response: ServerResponse, bucket: string, caller: Caller) {
    const { prefix, limit, cursor, with_delimiter: delimited } = await parse(listV2, request);
    const page = await delimitedPage((options) => rows.list(caller, bucket, options), {
      prefix,
      delimiter: delimited ? '/' : '',
      after: cursor === undefined ? '' : Buffer.from(cursor, 'base64').toString(),
      most: Math.min(limit, LARGEST_PAGE),
    });
    sendJson(response, 200, {
      hasNext: page.next !== null,
      ...(page.next === null ? {} : { nextCursor: Buffer.from(page.next).toString('base64') }),
      folders: page.folders.map((name) => ({ name })),
      objects: page.objects.map((object: StoredObject) => rowJson(object)),
    });
  }

  return async (
    request: IncomingMessage,
    response: ServerResponse,
    version: 'list' | 'list-v2',
    bucket: string,
    caller: Caller,
  ): Promise<void> => (version === 'list' ? byFolder : flat)(request, response, bucket, caller);
}

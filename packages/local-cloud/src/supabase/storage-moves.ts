import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson } from './answer.ts';
import type { ProjectFiles } from './object-files.ts';
import { StorageError } from './storage-error.ts';
import { mustBeValidKey } from './storage-rules.ts';
import type { Caller } from './tokens.ts';

const move = v.object({
  bucketId: v.string(),
  sourceKey: v.string(),
  destinationBucket: v.optional(v.string()),
  destinationKey: v.string(),
  copyMetadata: v.optional(v.boolean(), true),
  metadata: v.optional(v.object({ cacheControl: v.optional(v.string()), mimetype: v.optional(v.string()) }), {}),
});

async function parse(request: IncomingMessage) {
  const body = v.safeParse(move, await readJson(request));
  if (!body.success) throw new StorageError('InvalidRequest');
  const { bucketId, destinationBucket = bucketId, ...rest } = body.output;
  mustBeValidKey(rest.destinationKey);
  return { ...rest, bucketId, destinationBucket };
}

/** `object/copy`: the bytes and what describes them, under another name. */
export async function copyObject(
  files: ProjectFiles,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  const asked = await parse(request);
  const upsert = request.headers['x-upsert'] === 'true';
  const source = await files.rows.find(caller, asked.bucketId, asked.sourceKey);
  if (source === null) throw new StorageError('NoSuchKey');
  if ((await files.bucket(asked.destinationBucket)) === null) throw new StorageError('NoSuchBucket');
  await files.rows.mustBeWritable(caller, asked.destinationBucket, asked.destinationKey, upsert);
  const meta = {
    mimetype: asked.metadata.mimetype ?? source.mimetype,
    cacheControl: asked.metadata.cacheControl ?? source.cacheControl,
    userMetadata: asked.copyMetadata ? source.userMetadata : {},
    owner: caller.sub,
  };
  const body = files.read(source, null);
  const stored = await files.write(asked.destinationBucket, asked.destinationKey, body, source.size, meta, upsert);
  sendJson(response, 200, { Key: `${asked.destinationBucket}/${asked.destinationKey}`, Id: stored.id });
}

/** `object/move`: the same row and the same bytes; a name that is taken is refused. */
export async function moveObject(
  files: ProjectFiles,
  request: IncomingMessage,
  response: ServerResponse,
  caller: Caller,
): Promise<void> {
  const asked = await parse(request);
  const source = await files.rows.find(caller, asked.bucketId, asked.sourceKey);
  if (source === null) throw new StorageError('NoSuchKey');
  if ((await files.bucket(asked.destinationBucket)) === null) throw new StorageError('NoSuchBucket');
  await files.rows.mustBeWritable(caller, asked.destinationBucket, asked.destinationKey, false);
  const moved = await files.rows.rename(
    caller,
    { bucket: asked.bucketId, name: asked.sourceKey },
    { bucket: asked.destinationBucket, name: asked.destinationKey },
  );
  if (moved === null) throw new StorageError('NoSuchKey');
  const Key = `${asked.destinationBucket}/${asked.destinationKey}`;
  sendJson(response, 200, { message: 'Successfully moved', Id: moved.id, Key });
}

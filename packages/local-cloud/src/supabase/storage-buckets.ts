import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson } from './answer.ts';
import { type Bucket, type BucketSettings, PRIVATE } from './object-store.ts';
import type { ProjectFiles } from './object-files.ts';
import { StorageError } from './storage-error.ts';
import { mustBeValidBucketName, parseFileSizeLimit } from './storage-rules.ts';
import type { Caller } from './tokens.ts';

const settings = {
  public: v.optional(v.boolean()),
  file_size_limit: v.nullish(v.union([v.number(), v.string()])),
  allowed_mime_types: v.nullish(v.array(v.string())),
};
const creation = v.object({ id: v.optional(v.string()), name: v.string(), ...settings });
const change = v.object(settings);

const bucketJson = (bucket: Bucket) => ({
  id: bucket.id,
  name: bucket.id,
  owner: bucket.owner ?? '',
  public: bucket.public,
  file_size_limit: bucket.fileSizeLimit,
  allowed_mime_types: bucket.allowedMimeTypes,
  created_at: bucket.createdAt.toISOString(),
  updated_at: bucket.updatedAt.toISOString(),
});

/** `/storage/v1/bucket`. No policy of the app lets anybody but the service key see a bucket. */
export function createBucketsApi(files: ProjectFiles, projectLimit: number) {
  function merged(before: BucketSettings, told: v.InferOutput<typeof change>): BucketSettings {
    return {
      public: told.public ?? before.public,
      fileSizeLimit:
        told.file_size_limit === undefined
          ? before.fileSizeLimit
          : parseFileSizeLimit(told.file_size_limit, projectLimit),
      allowedMimeTypes: told.allowed_mime_types === undefined ? before.allowedMimeTypes : told.allowed_mime_types,
    };
  }

  async function create(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void> {
    if (caller.role !== 'service_role') throw new StorageError('AccessDenied');
    const body = v.safeParse(creation, await readJson(request));
    if (!body.success) throw new StorageError('InvalidRequest');
    const name = body.output.id ?? body.output.name;
    mustBeValidBucketName(name);
    if (!(await files.createBucket(name, merged(PRIVATE, body.output), caller.sub)))
      throw new StorageError('ResourceAlreadyExists');
    sendJson(response, 200, { name });
  }

  return async (request: IncomingMessage, response: ServerResponse, path: string, caller: Caller): Promise<void> => {
    const sees = caller.role === 'service_role';
    const route = `${request.method} ${path.endsWith('/empty') ? 'empty' : path === '' ? 'all' : 'one'}`;
    if (route === 'GET all') return sendJson(response, 200, sees ? (await files.listBuckets()).map(bucketJson) : []);
    if (route === 'POST all') return create(request, response, caller);
    const bucket = sees ? await files.bucket(path.replace(/\/empty$/, '')) : null;
    if (bucket === null) throw new StorageError('NoSuchBucket');
    switch (route) {
      case 'GET one':
        return sendJson(response, 200, bucketJson(bucket));
      case 'PUT one': {
        const body = v.safeParse(change, await readJson(request));
        if (!body.success) throw new StorageError('InvalidRequest');
        await files.updateBucket(bucket.id, merged(bucket, body.output));
        return sendJson(response, 200, { message: 'Successfully updated' });
      }
      case 'POST empty': {
        // The real one queues this and answers at once.
        for (;;) {
          const page = await files.list(bucket.id, { prefix: '', after: '', limit: 1000 });
          if (page.length === 0) break;
          await files.remove(
            bucket.id,
            page.map((object) => object.name),
          );
        }
        return sendJson(response, 200, { message: 'Empty bucket has been queued. Completion may take up to an hour.' });
      }
      case 'DELETE one':
        if (!(await files.deleteBucket(bucket.id))) throw new StorageError('ResourceNotEmpty');
        return sendJson(response, 200, { message: 'Successfully deleted' });
      default:
        throw new StorageError('NoSuchRoute');
    }
  };
}

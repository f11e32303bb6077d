import type { IncomingMessage, ServerResponse } from 'node:http';
import * as v from 'valibot';
import { readJson, sendJson } from './answer.ts';
import type { ProjectFiles } from './object-files.ts';
import { StorageError } from './storage-error.ts';
import { mustBeValidKey } from './storage-rules.ts';
import type { Caller, Tokens } from './tokens.ts';

const one = v.object({ expiresIn: v.pipe(v.number(), v.integer(), v.minValue(1)) });
const many = v.object({ ...one.entries, paths: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(500)) });
/** So long may a signed upload be begun (`SIGNED_UPLOAD_URL_EXPIRATION_TIME` of the hosted service: two hours). */
const UPLOAD_LINK_SECONDS = 7200;

const encodePath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** Links that open one object to whoever holds them. */
export function createLinksApi({ rows, bucket: findBucket }: ProjectFiles, tokens: Tokens) {
  async function link(bucket: string, name: string, seconds: number): Promise<string> {
    const token = await tokens.forObject({ url: `${bucket}/${name}` }, seconds);
    return `/object/sign/${encodePath(`${bucket}/${name}`)}?token=${token}`;
  }

  return {
    /** `POST object/sign/BUCKET/KEY`: for who may read it. */
    async sign(request: IncomingMessage, response: ServerResponse, bucket: string, name: string, caller: Caller) {
      const body = v.safeParse(one, await readJson(request));
      if (!body.success) throw new StorageError('InvalidRequest');
      if ((await rows.find(caller, bucket, name)) === null) throw new StorageError('NoSuchKey');
      sendJson(response, 200, { signedURL: await link(bucket, name, body.output.expiresIn) });
    },
    /** `POST object/sign/BUCKET`: each path by itself; one that is not there spoils no other. */
    async signMany(request: IncomingMessage, response: ServerResponse, bucket: string, caller: Caller) {
      const body = v.safeParse(many, await readJson(request));
      if (!body.success) throw new StorageError('InvalidRequest');
      const { paths, expiresIn } = body.output;
      const answers = await Promise.all(
        paths.map(async (path) =>
          (await rows.find(caller, bucket, path)) === null
            ? { error: 'Either the object does not exist or you do not have access to it', path, signedURL: null }
            : { error: null, path, signedURL: await link(bucket, path, expiresIn) },
        ),
      );
      sendJson(response, 200, answers);
    },
    /** `POST object/upload/sign/BUCKET/KEY`: for who may write it. */
    async signUpload(request: IncomingMessage, response: ServerResponse, bucket: string, name: string, caller: Caller) {
      mustBeValidKey(name);
      if ((await findBucket(bucket)) === null) throw new StorageError('NoSuchBucket');
      const upsert = request.headers['x-upsert'] === 'true';
      await rows.mustBeWritable(caller, bucket, name, upsert);
      const granted = { url: `${bucket}/${name}`, upsert, ...(caller.sub === null ? {} : { owner: caller.sub }) };
      const token = await tokens.forObject(granted, UPLOAD_LINK_SECONDS);
      sendJson(response, 200, { url: `/object/upload/sign/${encodePath(`${bucket}/${name}`)}?token=${token}`, token });
    },
    /** What a link's token grants for this path; throws when it is none, or another's. */
    async granted(url: URL, bucket: string, name: string): Promise<{ upsert: boolean; owner: string | null }> {
      const granted = await tokens.objectOf(url.searchParams.get('token') ?? '');
      if (granted === null) throw new StorageError('InvalidJWT');
      if (granted.url !== `${bucket}/${name}`) throw new StorageError('InvalidSignature');
      return granted;
    },
  };
}

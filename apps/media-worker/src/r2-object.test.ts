import { describe, expect, it } from 'vitest';
import type { Env } from './env.ts';
import { openR2 } from './r2-object.ts';

const BYTES = Uint8Array.from({ length: 100 }, (_, index) => index);

/** A bucket of one object that notes what it was asked, and whether it sent bytes. */
function bucketOf(object: { etag: string; bytes: Uint8Array }): { env: Env; asked: string[] } {
  const asked: string[] = [];
  const MEDIA = {
    async get(_key: string, options: { onlyIf?: { etagDoesNotMatch: string } } = {}) {
      const same = options.onlyIf?.etagDoesNotMatch === object.etag;
      asked.push(same ? 'unchanged' : 'bytes');
      const head = { size: object.bytes.byteLength, etag: object.etag, uploaded: new Date(0) };
      const stored = new Response(object.bytes);
      return same ? head : { ...head, body: stored.body, arrayBuffer: () => stored.arrayBuffer() };
    },
  };
  // Of the environment only the bucket is looked at.
  return { env: { MEDIA } as unknown as Env, asked };
}

async function readBy(env: Env, key: string): Promise<Uint8Array> {
  const works: Promise<unknown>[] = [];
  const media = await openR2(env, key, 'all', (work) => works.push(work));
  const body = (await media?.body(null)) ?? new Uint8Array();
  await Promise.all(works);
  return new Uint8Array(await new Response(body).arrayBuffer());
}

describe('an object of R2', () => {
  it('is asked for at every read, but sends no bytes once they are kept and unchanged', async () => {
    const object = { etag: 'one', bytes: BYTES };
    const { env, asked } = bucketOf(object);
    for (let reads = 0; reads < 4; reads++) expect(await readBy(env, 'a.wav')).toEqual(BYTES);
    // The second read asks once more, to keep it.
    expect(asked).toEqual(['bytes', 'bytes', 'bytes', 'unchanged', 'unchanged']);
  });

  it('sends its bytes again as soon as it is another version', async () => {
    const object = { etag: 'one', bytes: BYTES };
    const { env, asked } = bucketOf(object);
    for (let reads = 0; reads < 3; reads++) await readBy(env, 'b.wav');
    object.etag = 'two';
    object.bytes = BYTES.toReversed();
    expect(await readBy(env, 'b.wav')).toEqual(BYTES.toReversed());
    expect(asked.at(-1)).toBe('bytes');
  });
});

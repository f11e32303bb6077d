import * as v from 'valibot';
import { envelope } from './answers.ts';
import { orNothing, type CloudflareApi } from './api-call.ts';
import { createOwnWrites } from './own-writes.ts';

/** An S3-compatible bucket, as Sippy reads it. */
export interface SippySource {
  /** The bucket's own address: the S3 endpoint, a slash, its name. */
  readonly bucketUrl: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
export interface SippyTarget {
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}
export interface SippyState {
  readonly enabled: boolean;
  /** Where it reads from, in words for a person; `null` when it is off. */
  readonly source: string | null;
}
export interface SippyProvider {
  getSippy(bucket: string): Promise<SippyState>;
  /** From now on R2 fetches what the bucket lacks from `source`, keeps it, and hands it out. Replaces what was set. */
  putSippy(source: SippySource, target: SippyTarget): Promise<void>;
  /** What it brought stays. Where it is off already, nothing happens. */
  deleteSippy(bucket: string): Promise<void>;
}

const text = v.nullish(v.string(), null);
const state = v.object({
  // Whoever relies on its being off must not do so for an answer that says nothing.
  enabled: v.boolean(),
  source: v.nullish(v.object({ bucketUrl: text, bucket: text, container: text }), null),
});
const OFF: SippyState = { enabled: false, source: null };

/** Sippy, below R2's buckets. The credentials go out in one body and come back in no answer. */
export function createSippy({ call, callBare }: CloudflareApi, root: string, pace: number): SippyProvider {
  const own = createOwnWrites<SippyState>(pace);
  const path = (bucket: string): string => `${root}/${bucket}/sippy`;
  return {
    getSippy: (bucket) =>
      own.read(bucket, async () => {
        const answer = await orNothing(call('get', path(bucket), state), null);
        if (answer?.enabled !== true) return OFF;
        const { source } = answer;
        return {
          enabled: true,
          source: source?.bucketUrl?.replace(/\/$/, '') ?? source?.bucket ?? source?.container ?? null,
        };
      }),
    async putSippy(source, target) {
      const { bucket, accessKeyId, secretAccessKey } = target;
      const body = {
        source: { provider: 's3', ...source },
        destination: { provider: 'r2', accessKeyId, secretAccessKey },
      };
      const secrets = [source.accessKeyId, source.secretAccessKey, accessKeyId, secretAccessKey];
      await callBare('put', path(bucket), envelope, { body, secrets });
      own.note(bucket, ({ enabled }) => enabled);
    },
    async deleteSippy(bucket) {
      await orNothing(callBare('delete', path(bucket), envelope), null);
      own.note(bucket, ({ enabled }) => !enabled);
    },
  };
}

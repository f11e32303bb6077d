import * as v from 'valibot';
import type { AccountBucket } from './account-state.ts';
import { ApiFailure, ok } from './api-answer.ts';
import type { ApiHandlers } from './api-answer.ts';
import type { ApiContext } from './api-context.ts';
import { bucketNamed } from './api-r2.ts';
import { isReachable } from './s3-client.ts';
import type { Sippy } from './sippy.ts';

const Body = v.object({
  source: v.object({ bucketUrl: v.string(), accessKeyId: v.string(), secretAccessKey: v.string() }),
  destination: v.object({ accessKeyId: v.string(), secretAccessKey: v.string() }),
});

/** A source names no region: `auto` is what stores take that do not insist on theirs. */
const REGION = 'auto';

/** Sippy: what a bucket lacks is read from an S3-compatible one and copied. The secrets are written, never read. */
export function sippyHandlers({ identity, store, runtime }: ApiContext): ApiHandlers {
  const shown = ({ name, sippy }: AccountBucket) => {
    if (sippy === null) return ok({ enabled: false });
    const { accessKeyId } = sippy.destination;
    return ok({
      enabled: true,
      source: { provider: 's3', bucketUrl: sippy.source.bucketUrl, bucket: null, container: null, region: null },
      destination: { provider: 'r2', account: identity.accountId, bucket: name, accessKeyId },
    });
  };
  return {
    'r2.buckets.sippy.get': (request) => shown(bucketNamed(store.current(), request)),
    'r2.buckets.sippy.update': async (request) => {
      const sippy = v.parse(Body, request.body);
      if (bucketOfUrl(sippy.source.bucketUrl) === null)
        throw new ApiFailure(
          400,
          10040,
          'local-cloud reads from S3-compatible buckets in path style only, by https or on loopback.',
        );
      const bucket = await store.change((draft) => {
        const one = bucketNamed(draft, request);
        one.sippy = sippy;
        return one;
      });
      runtime.setSippy(bucket.name, sippyOf(bucket, runtime.r2Endpoint));
      return shown(bucket);
    },
    'r2.buckets.sippy.delete': async (request) => {
      const { name } = await store.change((draft) => {
        const one = bucketNamed(draft, request);
        one.sippy = null;
        return one;
      });
      runtime.setSippy(name, null);
      return ok({ enabled: false });
    },
  };
}

/** What a bucket's Sippy reads from and writes to; `null` where it is off. */
export function sippyOf({ name, sippy }: AccountBucket, r2Endpoint: string): Sippy | null {
  const place = sippy === null ? null : bucketOfUrl(sippy.source.bucketUrl);
  if (sippy === null || place === null) return null;
  const { accessKeyId, secretAccessKey } = sippy.source;
  return {
    from: { ...place, region: REGION, accessKeyId, secretAccessKey },
    to: { endpoint: r2Endpoint, region: REGION, bucket: name, ...sippy.destination },
  };
}

/** `https://host/path/bucket`; `null` for what is no such address. */
function bucketOfUrl(text: string): { endpoint: string; bucket: string } | null {
  if (!URL.canParse(text) || !isReachable(text)) return null;
  const { origin, pathname } = new URL(text);
  const parts = pathname.split('/').filter((part) => part !== '');
  const bucket = parts.pop();
  return bucket === undefined ? null : { endpoint: [origin, ...parts].join('/'), bucket: decodeURIComponent(bucket) };
}

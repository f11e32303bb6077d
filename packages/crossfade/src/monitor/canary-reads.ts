import * as v from 'valibot';
import type { MediaClient } from '../checks/worker/media-client.ts';
import type { PublicResponse } from '../providers/providers.ts';
import { errorText } from '../rollout/error-text.ts';
import type { Trouble } from '../rollout/plan.ts';

/** A stretch of an object whose bytes are known. */
export interface KnownBytes {
  readonly key: string;
  readonly start: number;
  readonly bytes: Uint8Array;
}

export type Outcome =
  | { readonly kind: 'served'; readonly ms: number }
  | { readonly kind: 'wrong bytes'; readonly trouble: Trouble }
  /** An answer, but not the one that was due; `route` says who gave it. */
  | { readonly kind: 'refused'; readonly status: number; readonly route: string }
  /** Nobody answered in full: a connection that broke, a time that ran out. */
  | { readonly kind: 'no answer'; readonly reason: string };

const signed = v.pipe(v.string(), v.parseJson(), v.object({ url: v.pipe(v.string(), v.url()) }));

/** Reads known bytes as a listener does: a fresh link, then the range that it leads to. `ms` is the range's own. */
export async function readKnown(client: MediaClient, known: KnownBytes): Promise<Outcome> {
  const startedAt = Date.now();
  const end = known.start + known.bytes.byteLength - 1;
  try {
    const link = await client.request(`/api/sign-file?key=${encodeURIComponent(known.key)}`);
    const parsed = v.safeParse(signed, link.body.toString('utf8'));
    if (link.status !== 200 || !parsed.success)
      return { kind: 'refused', status: link.status, route: '/api/sign-file' };
    const response = await client.follow(parsed.output.url, { headers: { range: `bytes=${known.start}-${end}` } });
    if (response.status !== 206) return { kind: 'refused', status: response.status, route: '/media/*' };
    const wrong = firstDifference(response.body, known.bytes);
    if (wrong === null) return { kind: 'served', ms: response.ms };
    return {
      kind: 'wrong bytes',
      trouble: {
        measure: 'a wrong byte in an object that production served',
        measured: { key: known.key, byte: known.start + wrong, ...servedBy(response) },
        expected: 'every byte as it was stored',
        since: new Date(startedAt).toISOString(),
      },
    };
  } catch (error) {
    return { kind: 'no answer', reason: errorText(error) };
  }
}

/** What another user asks of an object that is not theirs; `null` when it was kept from them. */
export async function askAsStranger(
  stranger: MediaClient,
  key: string,
  route: '/api/sign-file' | '/api/stream',
): Promise<Trouble | null> {
  const startedAt = Date.now();
  let response: PublicResponse;
  try {
    response = await stranger.request(`${route}?key=${encodeURIComponent(key)}`);
  } catch {
    // Nobody answered, so nothing was served; that nobody answers is the reads' business.
    return null;
  }
  if (response.status < 200 || response.status > 299) return null;
  return {
    measure: "another tenant's object was served",
    measured: { asked: route, status: response.status, bytes: response.body.byteLength, ...servedBy(response) },
    expected: { status: 403 },
    since: new Date(startedAt).toISOString(),
  };
}

/** Which version of the Worker it was, and which store. */
function servedBy({ headers }: PublicResponse): { version: string | null; source: string | null } {
  return { version: headers['x-audafact-version'] ?? null, source: headers['x-audafact-source'] ?? null };
}

function firstDifference(served: Uint8Array, known: Uint8Array): number | null {
  if (Buffer.compare(served, known) === 0) return null;
  const at = known.findIndex((byte, index) => served[index] !== byte);
  return at === -1 ? known.byteLength : at;
}

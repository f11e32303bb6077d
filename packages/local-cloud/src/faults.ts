import * as v from 'valibot';

const seconds = v.pipe(v.number(), v.minValue(0));

/** What can be planted in the cloud, and for how long. */
export const faultSchema = v.variant('kind', [
  /** Cloudflare's API, its analytics with it, answers 503 or not at all. The edge and R2 go on. */
  v.object({ kind: v.literal('api-outage'), seconds, answer: v.picklist(['503', 'none']) }),
  /** The analytics answer, but nothing was counted. */
  v.object({ kind: v.literal('no-analytics'), seconds }),
  /** This resolver (an address) gives the answers it has, whatever their TTL. */
  v.object({ kind: v.literal('stale-dns'), seconds, resolver: v.string() }),
  /** This version of a Worker fails so large a share of its requests (0–1), or of its reads only, whoever asks. */
  v.object({
    kind: v.literal('failing-version'),
    seconds,
    versionId: v.string(),
    share: v.number(),
    only: v.optional(v.literal('reads')),
  }),
  /** Storage of this project answers so large a share of its requests (0–1) with 544 DatabaseTimeout. */
  v.object({
    kind: v.literal('storage-overload'),
    seconds,
    project: v.picklist(['staging', 'production']),
    share: v.pipe(v.number(), v.minValue(0), v.maxValue(1)),
  }),
]);
export type Fault = v.InferOutput<typeof faultSchema>;

type FaultOf<Kind extends Fault['kind']> = Extract<Fault, { kind: Kind }>;

export interface Faults {
  /** From now on, until its seconds are over. */
  plant(fault: Fault): void;
  /** All is well again. */
  clear(): void;
  /** The planted faults of that kind that still hold. */
  holding<Kind extends Fault['kind']>(kind: Kind): FaultOf<Kind>[];
}

/** The faults of one cloud; none at the start. */
export function createFaults(): Faults {
  const planted: { fault: Fault; until: number }[] = [];
  return {
    plant(fault) {
      planted.push({ fault, until: Date.now() + fault.seconds * 1000 });
    },
    clear() {
      planted.length = 0;
    },
    holding: <Kind extends Fault['kind']>(kind: Kind) =>
      planted
        .filter((one) => one.until > Date.now())
        .map((one) => one.fault)
        .filter((fault): fault is FaultOf<Kind> => fault.kind === kind),
  };
}

/** Whether the next request meets the planted overload of its project: evenly spread, so that a share is one. */
export function overloadOf(faults: Faults, project: 'staging' | 'production'): () => boolean {
  let due = 0;
  return () => {
    const shares = faults.holding('storage-overload').filter((fault) => fault.project === project);
    due += Math.max(0, ...shares.map((fault) => fault.share));
    if (due < 1) return false;
    due -= 1;
    return true;
  };
}

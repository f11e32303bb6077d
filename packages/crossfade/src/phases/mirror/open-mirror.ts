import { appendFile } from 'node:fs/promises';
import type { RolloutContext } from '../../rollout/context.ts';
import { ROLLBACK_SCOPES } from '../../rollout/plan.ts';
import { versionKeeper } from '../../transfer/backup/keep-versions.ts';
import type { EventQueue } from '../../transfer/mirror/apply-events.ts';
import type { MediaEvent } from '../../transfer/mirror/media-event.ts';
import { createMirror, type Mirror } from '../../transfer/mirror/mirror.ts';
import type { SettledObjects } from '../../transfer/mirror/settle-key.ts';
import { openSeenEvents, type SeenEvents } from '../../transfer/mirror/seen-events.ts';

export interface OpenMirrorOptions {
  /** Told of each event before it is acknowledged; who keeps versions when absent. */
  readonly onEvent?: ((event: MediaEvent) => Promise<void>) | undefined;
  readonly isStopping?: () => boolean;
  /** Of this legacy lacks only what was deleted there since. */
  readonly settled?: SettledObjects | null;
}

/** As many as the vendor hands out at once. */
const BATCH_SIZE = 100;
const EVENTS = 'mirror/events.jsonl';
const MALFORMED = 'mirror/malformed.jsonl';
/** What the passes before and after the switch verified. */
const MANIFESTS = ['copy', 'catch-up', 'last-catch-up'].map((pass) => `transfer/${pass}.manifest.jsonl`);

/** Production's mirror: its queue, its stores, and what this rollout has seen so far. */
export async function openMirror(
  context: RolloutContext,
  { onEvent, isStopping, settled = null }: OpenMirrorOptions = {},
): Promise<Mirror & { close(): Promise<void> }> {
  const { providers, config, signal } = context;
  const seen = await openEvidence(context);
  const malformedFile = await context.placeFor(MALFORMED);
  let switchedAt: number | null = null;
  let told: Promise<unknown> = Promise.resolve();
  const tellOnce = (key: string, text: string): void => {
    told = told.then(() => context.record({ kind: 'note', data: { text }, subject: 'mirror', key }));
    // What the journal answered is thrown when the mirror is closed.
    told.catch(() => {});
  };
  const mirror = createMirror({
    queue: eventQueue(context),
    seen,
    concurrency: config.transfer.concurrency,
    onEvent: onEvent ?? keepVersions(context),
    ...(isStopping === undefined ? {} : { isStopping }),
    async onMalformed({ id, body, at }, reason) {
      await appendFile(malformedFile, `${JSON.stringify({ id, at: new Date(at).toISOString(), reason, body })}\n`);
      const text = `message ${id} of the media events is no event (${reason}): kept in ${MALFORMED}`;
      await context.record({ kind: 'note', data: { text }, subject: 'mirror', key: `mirror/malformed/${id}` });
    },
    onDropped(header, key) {
      const text = `${providers.legacyStore.label} does not keep ${header} of what is written back to it, ${key} first: after a rollback such objects lack it`;
      tellOnce(`mirror/dropped/${header}`, text);
    },
    onRefused({ key, reason }) {
      const text = `${providers.legacyStore.label} refuses ${key}, which stays in R2 alone: a rollback would lose it (${reason})`;
      tellOnce(`mirror/refused/${key}`, text);
    },
    async stores() {
      switchedAt ??= await switchTime(context);
      return { r2: providers.r2.production, legacy: providers.legacyStore, switchedAt, settled, signal };
    },
  });
  return {
    ...mirror,
    async close() {
      await seen.close();
      await told;
    },
  };
}

/** What this rollout has seen of keys: the mirror's events, and the manifests of the copy. */
export async function openEvidence(context: RolloutContext): Promise<SeenEvents> {
  const manifests = await Promise.all(MANIFESTS.map((path) => context.placeFor(path)));
  return openSeenEvents(await context.placeFor(EVENTS), manifests);
}

/** With a backup bucket, what an event tells of is kept there before the event is acknowledged. */
function keepVersions({ providers, signal }: RolloutContext): OpenMirrorOptions['onEvent'] {
  const { backup, r2 } = providers;
  return backup === null ? undefined : versionKeeper({ media: r2.production, backup, signal });
}

/**
 * When the media host began to lead to the Worker, epoch ms; `null` while it does not: before the switch, and after a
 * rollback that took it back. Then nobody outside writes to R2, and what legacy lacks was deleted there.
 */
export async function switchTime(context: Pick<RolloutContext, 'history'>): Promise<number | null> {
  const history = await context.history();
  const switched = history.findLast((one) => one.kind === 'step.started' && one.subject === 'dns.switch');
  if (switched === undefined) return null;
  const isBack = history.some(
    (one) =>
      one.kind === 'rollback.finished' &&
      one.seq > switched.seq &&
      one.data.complete &&
      ROLLBACK_SCOPES[one.data.kind].includes('cutover.dns'),
  );
  return isBack ? null : Date.parse(switched.at);
}

function eventQueue({ providers, config }: RolloutContext): EventQueue {
  const { cloudflare } = providers;
  const name = config.environments.production.worker.eventsQueue;
  const { visibilityMs } = config.transfer.mirror;
  let id: string | null = null;
  const queueId = async (): Promise<string> => {
    id ??= (await cloudflare.getQueue(name))?.id ?? null;
    if (id === null) throw new Error(`there is no queue ${name}`);
    return id;
  };
  return {
    pull: async () =>
      cloudflare.pullMessages(await queueId(), { batchSize: BATCH_SIZE, visibilityTimeoutMs: visibilityMs }),
    ack: async (acks, retries) => cloudflare.ackMessages(await queueId(), acks, retries),
  };
}

import type { Fault } from '@crossfade/local-cloud/faults';
import type { Controller } from '../engine/controller.ts';
import { errorText } from '../rollout/error-text.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { servingSplit } from '../phases/environment/deployment.ts';
import { setWriteRates } from './audience-control.ts';
import { createFaultControl } from './fault-control.ts';
import type { Scenario, Stage } from './scenario.ts';

/** Subject of the stage's notes in the journal. */
export const STAGE = 'scenario';

export interface StageParts {
  readonly controller: Controller;
  /** The local cloud's control API. */
  readonly controlUrl: string;
  /** Tries to drive the same rollout under that name, and lets go of it at once if it may. */
  readonly openAnother: (operator: string) => Promise<void>;
}

/** The stage of a running rehearsal. */
export function createStage({ controller, controlUrl, openAnother }: StageParts): Stage {
  const { context } = controller;
  const faults = createFaultControl(controlUrl);
  const resolvers = context.config.dns.resolvers.map((one) => one.replace(/:\d+$/, ''));
  const note = (text: string): Promise<string> =>
    context.record({ kind: 'note', data: { text }, subject: STAGE, key: `${STAGE}/${text}` });
  /** A rehearsal that is resumed does not live through the same blow again. */
  const once = async (text: string, act: () => Promise<unknown>): Promise<void> => {
    const known = (await context.history()).some(
      (event) => event.kind === 'note' && event.subject === STAGE && event.data.text === text,
    );
    if (known) return;
    await note(text);
    await act();
  };
  return {
    resolvers,
    plant: (fault) => once(`planted: ${describe(fault)}`, () => faults.plant(fault)),
    async failReads(share, seconds) {
      // What is being rolled back already is not to be hindered.
      if ((await context.history()).some((event) => event.kind === 'rollback.decided')) return;
      await once(`planted: failing-version, reads, ${share}, ${seconds} s`, async () => {
        const [serving, ...others] = (await servingSplit(context, 'production')) ?? [];
        if (serving === undefined || others.length > 0) throw new Error('no version serves production alone');
        const { versionId } = serving;
        await faults.plant({ kind: 'failing-version', versionId, share, only: 'reads', seconds });
      });
    },
    write: (rates) =>
      once(
        `uploaders write: ${rates.uploads} uploads, ${rates.overwrites} overwrites and ${rates.deletes} deletes a second`,
        () => setWriteRates(controlUrl, rates),
      ),
    async written() {
      const { audience } = context.providers;
      if (audience === null) throw new Error('nobody uploads');
      return (await audience.stats()).written.edge;
    },
    loseObjects: (count) =>
      once(`taken out of production's bucket: ${count} objects`, async () => {
        const store = context.providers.r2.production;
        const keys: string[] = [];
        for await (const { key } of store.list()) {
          if (keys.length === count) break;
          keys.push(key);
        }
        for (const key of keys) await store.delete(key);
      }),
    abort: (as, text) => once(`aborted by ${as}`, () => controller.decide('abort', { as, note: text })),
    enterSecondOperator: (operator) =>
      once(`${operator} enters`, () =>
        openAnother(operator).then(
          () => note(`${operator} was let in`),
          (error: unknown) => note(`${operator} was refused: ${errorText(error)}`),
        ),
      ),
    kill: (where) => once(`killed: ${where}`, async () => void process.kill(process.pid, 'SIGKILL')),
  };
}

function describe({ kind, seconds, ...rest }: Fault): string {
  return [kind, ...Object.values(rest), `${seconds} s`].join(', ');
}

/**
 * Plays a scenario beside the rollout: each event of the journal in turn. A scenario that breaks ends the rehearsal:
 * `broken` rejects then, and never resolves.
 */
export function playScenario(
  scenario: Scenario,
  stage: Stage,
  subscribe: (listener: (event: JournalEvent) => void) => () => void,
): { broken: Promise<never>; end(): Promise<void> } {
  const { play } = scenario;
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => {});
  let playing: Promise<void> = Promise.resolve();
  const unsubscribe =
    play === undefined
      ? () => {}
      : subscribe((event) => {
          playing = playing.then(() => play(event, stage)).catch((error: unknown) => broken.reject(error));
        });
  return {
    broken: broken.promise,
    async end() {
      unsubscribe();
      await playing;
    },
  };
}

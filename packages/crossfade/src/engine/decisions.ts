import type { JournalEvent } from '../rollout/journal-event.ts';
import type { Trouble } from '../rollout/plan.ts';

/** What operators said of a run that is under way. */
export interface Decisions {
  /** Who holds the walk before its next phase; `null` when it may go on. */
  heldBy(): string | null;
  /** Resolves as soon as nobody holds the walk. */
  untilGo(): Promise<void>;
  /** Resolves when an operator aborts; never when none does. */
  readonly aborted: Promise<Trouble>;
}

type Decided = Extract<JournalEvent, { kind: 'operator.decided' }>;

/** What nobody decides: the walk goes on. */
export const NO_DECISIONS: Decisions = {
  heldBy: () => null,
  untilGo: () => Promise.resolve(),
  aborted: new Promise(() => {}),
};

/**
 * Decisions as the journal tells them. `hold` stands until a later `go`; `abort` stands for good. The same event may be
 * taken twice, and in any order: the largest `seq` counts.
 */
export function createDecisions(): { decisions: Decisions; take(event: Decided): void } {
  let latest: Decided | null = null;
  let wake = Promise.withResolvers<void>();
  const aborted = Promise.withResolvers<Trouble>();
  const held = (): boolean => latest !== null && latest.data.decision !== 'go';
  return {
    decisions: {
      heldBy: () => (held() ? describe(latest) : null),
      async untilGo() {
        while (held()) await wake.promise;
      },
      aborted: aborted.promise,
    },
    take(event) {
      if (event.data.decision === 'abort')
        aborted.resolve({
          measure: `aborted by ${describe(event)}`,
          measured: { as: event.data.as, note: event.data.note },
          expected: null,
          since: event.at,
        });
      if (latest !== null && (event.seq <= latest.seq || latest.data.decision === 'abort')) return;
      latest = event;
      wake.resolve();
      wake = Promise.withResolvers<void>();
    },
  };
}

function describe(event: Decided | null): string {
  if (event === null) return '';
  const { as, note } = event.data;
  return note === '' ? as : `${as} (${note})`;
}

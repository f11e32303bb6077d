import { describe, expect, it } from 'vitest';
import type { Controller } from '../engine/controller.ts';
import type { JournalEntry, JournalEvent } from '../rollout/journal-event.ts';
import type { Scenario, Stage } from './scenario.ts';
import { createStage, playScenario, STAGE } from './stage.ts';

const NOWHERE = 'http://127.0.0.1:1';

/** A controller of which the stage needs only the journal, the config's resolvers and the operator's word. */
function controllerWith(journal: { kind: string; subject: string | undefined; data: unknown }[]): Controller {
  const record = async ({ kind, subject, data }: JournalEntry & { subject?: string }): Promise<string> =>
    `ev-${journal.push({ kind, subject, data })}`;
  const context = {
    config: { dns: { resolvers: ['127.0.0.11:53', '127.0.0.12:53'] } },
    history: async () => journal,
    record,
  };
  const decide = (decision: 'abort', by: object) =>
    record({ kind: 'operator.decided', data: { decision, as: '', note: '', ...by } });
  return { context, decide } as unknown as Controller;
}

const stageOver = (
  journal: Parameters<typeof controllerWith>[0],
  openAnother: (name: string) => Promise<void> = async () => {},
): Stage => createStage({ controller: controllerWith(journal), controlUrl: NOWHERE, openAnother });

const notes = (journal: readonly { subject: string | undefined; data: unknown }[]): unknown[] =>
  journal.filter((one) => one.subject === STAGE).map((one) => (one.data as { text: string }).text);

describe('the stage', () => {
  it('does everything once, also in a later life of the rehearsal, and notes it', async () => {
    const journal: Parameters<typeof controllerWith>[0] = [];
    await stageOver(journal).abort('Ada', 'stop');
    await stageOver(journal).abort('Ada', 'stop');
    expect(journal.filter((one) => one.kind === 'operator.decided')).toEqual([
      { kind: 'operator.decided', subject: undefined, data: { decision: 'abort', as: 'Ada', note: 'stop' } },
    ]);
    expect(notes(journal)).toEqual(['aborted by Ada']);
  });

  it('tells whether a second operator was refused, and in which words', async () => {
    const [refused, letIn]: [Parameters<typeof controllerWith>[0], Parameters<typeof controllerWith>[0]] = [[], []];
    await stageOver(refused, () => Promise.reject(new Error('r is driven by root'))).enterSecondOperator('Mallory');
    await stageOver(letIn).enterSecondOperator('Mallory');
    expect(notes(refused)).toEqual(['Mallory enters', 'Mallory was refused: r is driven by root']);
    expect(notes(letIn)).toEqual(['Mallory enters', 'Mallory was let in']);
  });

  it('knows the resolvers by their addresses', () => {
    expect(stageOver([]).resolvers).toEqual(['127.0.0.11', '127.0.0.12']);
  });
});

describe('a scenario that is played', () => {
  const event = (seq: number) => ({ kind: 'note', seq }) as unknown as JournalEvent;
  const played = (play: NonNullable<Scenario['play']>) => {
    let tell: (event: JournalEvent) => void = () => {};
    const scenario = { play } as unknown as Scenario;
    const playing = playScenario(scenario, stageOver([]), (listener) => {
      tell = listener;
      return () => (tell = () => {});
    });
    return { playing, tell: (one: JournalEvent) => tell(one) };
  };

  it('sees one event after the other, and none after its end', async () => {
    const seen: number[] = [];
    const { playing, tell } = played(async ({ seq }) => {
      await new Promise((resolve) => setTimeout(resolve, seq === 1 ? 20 : 0));
      seen.push(seq);
    });
    tell(event(1));
    tell(event(2));
    await playing.end();
    tell(event(3));
    await playing.end();
    expect(seen).toEqual([1, 2]);
  });

  it('ends the rehearsal when its fault cannot be planted', async () => {
    const { playing, tell } = played((_event, stage) => stage.plant({ kind: 'api-outage', seconds: 1, answer: '503' }));
    tell(event(1));
    await expect(playing.broken).rejects.toThrow('fetch failed');
  });
});

import { describe, expect, it, vi } from 'vitest';
import type { SignOffJournal } from '../checks/team/sign-off.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { verdict } from '../rollout/verdict.ts';
import { approveCommand } from './approve-command.ts';
import { UserError } from './user-error.ts';

const gates = { signOffs: ['cutover' as const], signOffExpiresMs: 3600_000, validationExpiresMs: 3600_000 };
// Signing asks the config for its gates, nothing else.
const config = { gates } as RolloutConfig;

/** A journal that holds what staging measured of these claims. */
function journalOf(claims: Readonly<Record<string, boolean>> = {}): SignOffJournal {
  const events: JournalEvent[] = Object.entries(claims).map(([claim, holds], index) => ({
    seq: index,
    id: `ev-${index}`,
    at: new Date().toISOString(),
    rollout: 'r',
    phase: 'staging',
    subject: claim,
    kind: 'check.verdict',
    data: { title: claim, proves: [claim], ms: 1, verdict: verdict(holds, { summary: 's', measured: 1, expected: 1 }) },
  }));
  return {
    read: async () => events,
    async append(entry) {
      const at = new Date().toISOString();
      events.push({
        seq: events.length,
        id: `ev-${events.length}`,
        at,
        rollout: 'r',
        phase: null,
        subject: null,
        ...entry,
      });
    },
  };
}

describe('crossfade approve', () => {
  const approve = (journal: SignOffJournal, change: { gate?: string; as?: string; json?: boolean }, of = config) =>
    approveCommand({ gate: 'cutover', as: 'Ada', note: 'n', json: false, ...change }, journal, of);

  it('signs, and says what was proven and what was not', async () => {
    const journal = journalOf({ 'staging.worker.auth': true, 'staging.r2.uploads': false });
    const out = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      expect(await approve(journal, {})).toBe(0);
      expect(await approve(journal, { json: true })).toBe(0);
      const [text, json] = out.mock.calls.map(([chunk]) => String(chunk));
      expect(text).toMatch(
        /^Ada signed for cutover until .*\n {2}1 of 2 claims are proven\n {2}not proven: staging\.r2\.uploads/,
      );
      expect(JSON.parse(json ?? '')).toMatchObject({ gate: 'cutover', claims: { proven: 1 } });
    } finally {
      out.mockRestore();
    }
  });

  it.each([
    [
      'an unknown gate',
      { gate: 'moon' },
      config,
      'no gate "moon" waits for a sign-off; there are: cutover',
      'CROSSFADE_GATE_UNKNOWN',
    ],
    [
      'no name',
      { as: ' ' },
      config,
      'a sign-off for cutover needs a name: who vouches for it?',
      'CROSSFADE_NAME_MISSING',
    ],
    ['no evidence yet', {}, config, 'there is no evidence yet that cutover could rest on', 'CROSSFADE_NO_EVIDENCE'],
    [
      'a config that asks for none',
      {},
      { gates: { ...gates, signOffs: [] } } as unknown as RolloutConfig,
      'no gate "cutover" waits for a sign-off; gates.signOffs of the config is empty',
      'CROSSFADE_GATE_UNKNOWN',
    ],
  ])('refuses with %s', async (_name, change, of, message, code) => {
    const journal = journalOf();
    const error = await approve(journal, change, of).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(UserError);
    expect(error).toMatchObject({ message, code, exitCode: 2 });
    expect(await journal.read()).toEqual([]);
  });
});

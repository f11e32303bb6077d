import type { RolloutConfig } from '../../rollout/config.ts';
import type { JournalEntry, JournalEvent } from '../../rollout/journal-event.ts';
import type { NewEvent } from '../../rollout/journal.ts';
import type { PhaseId } from '../../rollout/plan.ts';
import { planHash } from '../../rollout/plan-file.ts';

export type GateName = RolloutConfig['gates']['signOffs'][number];

/** Which phase a gate stands before, and the phases whose verdicts it rests on. */
export const GATES: Readonly<Record<GateName, { before: PhaseId; restsOn: readonly PhaseId[] }>> = {
  cutover: { before: 'cutover.worker', restsOn: ['staging', 'preparation'] },
  cleanup: {
    before: 'cleanup',
    restsOn: ['cutover.worker', 'cutover.dns', 'cutover.verify', 'cutover.monitor', 'watch'],
  },
};

type Verdicts = ReadonlyMap<string, Extract<JournalEvent, { kind: 'check.verdict' }>>;

/** Each claim that the gate rests on, with the verdict that decides it: the latest. */
export function evidenceOf(history: readonly JournalEvent[], gate: GateName): Verdicts {
  const latest = new Map<string, Extract<JournalEvent, { kind: 'check.verdict' }>>();
  for (const event of history) {
    // Not what the gate itself measures while it is being opened.
    if (event.kind !== 'check.verdict' || event.phase === null || !GATES[gate].restsOn.includes(event.phase)) continue;
    for (const claim of event.data.proves) latest.set(claim, event);
  }
  return latest;
}

/** What a signature vouches for: the claims, their verdicts and what these measured. `null` while there is nothing. */
export function evidenceHash(history: readonly JournalEvent[], gate: GateName): string | null {
  const evidence = evidenceOf(history, gate);
  if (evidence.size === 0) return null;
  return planHash(
    [...evidence]
      .map(([claim, { id, data }]) => [claim, id, data.verdict.status, data.verdict.measured] as const)
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

export interface Signature {
  readonly as: string;
  readonly note: string;
  readonly evidenceHash: string;
  /** ISO time. */
  readonly expiresAt: string;
  /** The journal's event. */
  readonly event: string;
}

export type SignOffState = 'signed' | 'unsigned' | 'expired' | 'other-evidence' | 'no-evidence';

/** Whether somebody vouches for the evidence as it is now; `signature` is theirs, or the last that was given. */
export function signOffState(
  history: readonly JournalEvent[],
  gate: GateName,
  now: number,
): { state: SignOffState; hash: string | null; signature: Signature | null } {
  const hash = evidenceHash(history, gate);
  const signatures = history.flatMap((event): Signature[] =>
    event.kind === 'gate.signed' && event.data.gate === gate ? [{ ...event.data, event: event.id }] : [],
  );
  const alive = (one: Signature): boolean => Date.parse(one.expiresAt) > now;
  const last = signatures.at(-1) ?? null;
  if (hash === null) return { state: 'no-evidence', hash, signature: last };
  const good = signatures.findLast((one) => one.evidenceHash === hash && alive(one));
  if (good !== undefined) return { state: 'signed', hash, signature: good };
  if (last === null) return { state: 'unsigned', hash, signature: null };
  return { state: alive(last) ? 'other-evidence' : 'expired', hash, signature: last };
}

/** A sign-off that cannot be given; `hint` says what to do instead. */
export class SignOffError extends Error {
  override readonly name = 'SignOffError';
  readonly code: string;
  readonly hint: string;
  constructor(code: string, message: string, hint: string) {
    super(message);
    this.code = code;
    this.hint = hint;
  }
}

/** The part of a journal that signing needs. */
export interface SignOffJournal {
  read(): Promise<readonly JournalEvent[]>;
  append(entry: JournalEntry, about: NewEvent): Promise<unknown>;
}

/**
 * Writes into the journal who vouches for a gate's evidence as it is now (epoch ms), and until when. Signed
 * already by the same person for the same evidence is success. @throws SignOffError
 */
export async function signGate(
  journal: SignOffJournal,
  config: Pick<RolloutConfig, 'gates'>,
  request: { gate: string; as: string | undefined; note: string | undefined },
  now: number,
): Promise<Omit<Signature, 'event'> & { gate: GateName }> {
  const { signOffs, signOffExpiresMs } = config.gates;
  const gate = signOffs.find((name) => name === request.gate);
  if (gate === undefined) {
    const known = signOffs.length === 0 ? 'gates.signOffs of the config is empty' : `there are: ${signOffs.join(', ')}`;
    throw new SignOffError(
      'CROSSFADE_GATE_UNKNOWN',
      `no gate ${JSON.stringify(request.gate)} waits for a sign-off; ${known}`,
      'name one of these, or list the gate in gates.signOffs of the config',
    );
  }
  const as = request.as?.trim() ?? '';
  if (as === '') {
    throw new SignOffError(
      'CROSSFADE_NAME_MISSING',
      `a sign-off for ${gate} needs a name: who vouches for it?`,
      signCommand(gate),
    );
  }
  const { state, hash, signature } = signOffState(await journal.read(), gate, now);
  if (hash === null) {
    throw new SignOffError(
      'CROSSFADE_NO_EVIDENCE',
      `there is no evidence yet that ${gate} could rest on`,
      `run ${GATES[gate].restsOn.join(', ')} first, then sign for what was measured`,
    );
  }
  if (state === 'signed' && signature !== null && signature.as === as) {
    const { event: _event, ...given } = signature;
    return { gate, ...given };
  }
  const given = {
    gate,
    as,
    note: request.note?.trim() ?? '',
    evidenceHash: hash,
    expiresAt: new Date(now + signOffExpiresMs).toISOString(),
  };
  await journal.append({ kind: 'gate.signed', data: given }, { phase: null, subject: gate });
  return given;
}

/** What a person types to sign. */
export function signCommand(gate: GateName): string {
  return `crossfade approve ${gate} --as NAME --note "what you looked at"`;
}

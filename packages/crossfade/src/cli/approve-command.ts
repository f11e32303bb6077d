import { evidenceOf, signGate, SignOffError, type SignOffJournal } from '../checks/team/sign-off.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import { EXIT } from './exit-codes.ts';
import { UserError } from './user-error.ts';

export interface ApproveRequest {
  readonly gate: string | undefined;
  /** `--as`, `--note`, `--json`. */
  readonly as: string | undefined;
  readonly note: string | undefined;
  readonly json: boolean;
}

/**
 * `crossfade approve GATE --as NAME --note …`: writes the signature into the rollout's journal, and says what it
 * vouches for. @throws UserError
 */
export async function approveCommand(
  request: ApproveRequest,
  journal: SignOffJournal,
  config: RolloutConfig,
  now = Date.now(),
): Promise<number> {
  const { gate = '', as, note, json } = request;
  try {
    const signed = await signGate(journal, config, { gate, as, note }, now);
    const verdicts = [...evidenceOf(await journal.read(), signed.gate)];
    const unproven = verdicts.flatMap(([claim, { data }]) => (data.verdict.status === 'pass' ? [] : [claim]));
    if (json) {
      const claims = { proven: verdicts.length - unproven.length, unproven };
      process.stdout.write(`${JSON.stringify({ ...signed, claims, next: ['crossfade cutover'] })}\n`);
      return EXIT.done;
    }
    process.stdout.write(
      `${signed.as} signed for ${signed.gate} until ${signed.expiresAt}\n` +
        `  ${verdicts.length - unproven.length} of ${verdicts.length} claims are proven\n` +
        unproven.map((claim) => `  not proven: ${claim}\n`).join('') +
        `  evidence ${signed.evidenceHash}\n`,
    );
    return EXIT.done;
  } catch (error) {
    if (error instanceof SignOffError) throw new UserError(error.code, error.message, error.hint);
    throw error;
  }
}

import type { RolloutConfig } from '../../rollout/config.ts';
import type { Check, Phase } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import { GATES, signCommand, signOffState, type GateName, type Signature, type SignOffState } from './sign-off.ts';

const WORDS: Readonly<Record<SignOffState, (gate: GateName, signature: Signature | null) => string>> = {
  signed: (gate, by) => `${by?.as} signed for ${gate}${by?.note ? `: ${by.note}` : ''}`,
  unsigned: (gate) => `nobody signed for ${gate}`,
  expired: (gate, by) => `${by?.as}'s signature for ${gate} expired at ${by?.expiresAt}`,
  'other-evidence': (gate, by) => `${by?.as} signed for other evidence than ${gate} rests on now`,
  'no-evidence': (gate) => `there is no evidence that ${gate} could rest on`,
};

/** Somebody vouches, by name, for the evidence as it is now. */
export function signOffCheck(gate: GateName): Check {
  return {
    id: `sign-off.${gate}`,
    title: `Somebody signed for ${gate}`,
    proves: [],
    async run(context) {
      const now = Date.now();
      const { state, hash, signature } = signOffState(await context.history(), gate, now);
      return verdict(state === 'signed', {
        summary: WORDS[state](gate, signature),
        measured: {
          state,
          signedBy: signature?.as ?? null,
          event: signature?.event ?? null,
          evidenceHash: signature?.evidenceHash ?? null,
          expiresAt: signature?.expiresAt ?? null,
        },
        expected: { state: 'signed', evidenceHash: hash, expiresAt: `after ${new Date(now).toISOString()}` },
        ...(state === 'signed' ? {} : { mend: signCommand(gate) }),
      });
    },
  };
}

/** The phases with a sign-off in the gate of each that the config asks it for. */
export function withSignOffs(config: RolloutConfig, phases: readonly Phase[]): Phase[] {
  return phases.map((phase) => ({
    ...phase,
    gate: [
      ...phase.gate,
      ...config.gates.signOffs.filter((gate) => GATES[gate].before === phase.id).map((gate) => signOffCheck(gate)),
    ],
  }));
}

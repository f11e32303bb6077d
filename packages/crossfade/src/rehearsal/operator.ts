import { GATES, signGate, signOffState } from '../checks/team/sign-off.ts';
import type { RolloutConfig } from '../rollout/config.ts';
import type { JournalEntry } from '../rollout/journal-event.ts';
import type { Phase, RolloutPlan, Step } from '../rollout/plan.ts';
import { verdict } from '../rollout/verdict.ts';

const OPERATOR = "the rehearsal's operator";

/** Signs as a person would with `crossfade approve`: by the same function, for the evidence as it then is. */
function signStep(config: RolloutConfig, gate: RolloutConfig['gates']['signOffs'][number]): Step {
  return {
    id: `operator.signs.${gate}`,
    title: `The operator signs for ${gate}`,
    proves: [],
    look: async () => null,
    run: (context) => {
      const append = (entry: JournalEntry): Promise<string> => context.record({ ...entry, subject: gate });
      const note = 'rehearsed';
      return signGate({ read: context.history, append }, config, { gate, as: OPERATOR, note }, Date.now());
    },
    async verify(context) {
      const { state, signature } = signOffState(await context.history(), gate, Date.now());
      return verdict(state === 'signed', {
        summary: `${gate}: ${state}`,
        measured: { state, event: signature?.event ?? null },
        expected: { state: 'signed' },
      });
    },
    // Nobody unsigns: the signature expires, and other evidence makes it void.
    compensate: async () => ({ already: true }),
  };
}

/** In a rehearsal an operator is played who signs for each gate, at the end of the phase before it. */
export function withOperator(config: RolloutConfig, plan: RolloutPlan): RolloutPlan {
  const signing = (phase: Phase): Phase['parts'] =>
    config.gates.signOffs
      .filter((gate) => GATES[gate].restsOn.at(-1) === phase.id)
      .map((gate) => ({ kind: 'step', step: signStep(config, gate) }));
  return { ...plan, phases: plan.phases.map((phase) => ({ ...phase, parts: [...phase.parts, ...signing(phase)] })) };
}

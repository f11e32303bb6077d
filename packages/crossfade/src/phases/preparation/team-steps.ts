import {
  judgeCommunication,
  COMMUNICATION_CLAIM,
  sendTestMessages,
  TEST_MESSAGES,
} from '../../checks/team/communication.ts';
import { DRILL, ESCALATION_CLAIM, judgeEscalation, walkDrill } from '../../checks/team/escalation.ts';
import { actOnPlan } from '../../checks/team/judge-plan.ts';
import { judgeOnCall, ON_CALL_CLAIM, sendTestPage, TEST_PAGE } from '../../checks/team/on-call.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Step } from '../../rollout/plan.ts';
import type { Verdict } from '../../rollout/verdict.ts';

/** People are told something, once. What was said cannot be unsaid, so there is nothing to put back. */
function tellingStep(about: {
  id: string;
  title: string;
  claim: string;
  tell: (context: RolloutContext) => Promise<unknown>;
  judge: (context: RolloutContext) => Promise<Verdict>;
}): Step {
  const { id, title, claim, tell, judge } = about;
  return {
    id,
    title,
    proves: [claim],
    look: async () => null,
    run: (context) => actOnPlan(() => tell(context)),
    verify: judge,
    compensate: async () => ({ already: true }),
  };
}

/** The team is reached before it is needed: whoever is on call, every channel of the messages, each level. */
export function teamSteps(): readonly Step[] {
  return [
    tellingStep({
      id: TEST_PAGE,
      title: 'Test page to whoever is on call',
      claim: ON_CALL_CLAIM,
      tell: sendTestPage,
      judge: judgeOnCall,
    }),
    tellingStep({
      id: TEST_MESSAGES,
      title: 'Each message tried on its channel',
      claim: COMMUNICATION_CLAIM,
      tell: sendTestMessages,
      judge: judgeCommunication,
    }),
    tellingStep({
      id: DRILL,
      title: 'Escalation walked in a drill',
      claim: ESCALATION_CLAIM,
      tell: walkDrill,
      judge: judgeEscalation,
    }),
  ];
}

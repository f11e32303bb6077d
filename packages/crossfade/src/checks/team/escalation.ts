import * as v from 'valibot';
import type { RolloutContext } from '../../rollout/context.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Check } from '../../rollout/plan.ts';
import { planHash, readPlanFile } from '../../rollout/plan-file.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { clock } from './coverage.ts';
import { judgePlan } from './judge-plan.ts';
import { mendOf } from './on-call.ts';
import { callPerson, failuresOf, findPage, pageToken, type PageRecord } from './page.ts';
import { reach, readPeople, unreachable, type Person } from './people.ts';

export const ESCALATION_CLAIM = 'preCutover.team.escalationProcedures';
export const DRILL = 'team.escalationDrill';

const escalationFile = v.strictObject({
  levels: v.pipe(
    v.array(
      v.strictObject({
        person: v.pipe(v.string(), v.minLength(1, 'expected a name')),
        /** How long this person has to answer before the next one is called. */
        waitMinutes: v.pipe(v.number(), v.minValue(1, 'expected at least one minute')),
      }),
    ),
    v.minLength(2, 'expected at least two levels'),
  ),
});

interface Level {
  readonly name: string;
  readonly level: number;
  readonly last: boolean;
  /** As this run waits: shorter in a rehearsal. */
  readonly waitMs: number;
}

interface Escalation {
  readonly levels: readonly Level[];
  readonly people: ReadonlyMap<string, Person>;
  /** Of the levels and the contacts in them: another one needs another drill. */
  readonly hash: string;
}

/** The plan as its files say now. @throws PlanFileError */
async function readEscalation(context: RolloutContext): Promise<Escalation> {
  const { escalation, people: peopleFile, drillScale } = context.config.team;
  const { levels } = await readPlanFile(escalation, escalationFile);
  const people = await readPeople(peopleFile);
  return {
    people,
    hash: planHash(levels.map((level) => [level, people.get(level.person) ?? null])),
    levels: levels.map(({ person, waitMinutes }, index) => ({
      name: person,
      level: index + 1,
      last: index === levels.length - 1,
      waitMs: (waitMinutes * 60_000) / drillScale,
    })),
  };
}

const tokenOf = (context: RolloutContext, { hash }: Escalation, { level }: Level, attempt: number): string =>
  pageToken(context.rollout, DRILL, hash, level, attempt);

/** Calls each level in turn: all but the last let their time pass. */
export async function walkDrill(context: RolloutContext): Promise<{ levels: number }> {
  const plan = await readEscalation(context);
  const { channels } = context.providers;
  const attempt = failuresOf(await context.history(), [DRILL, ESCALATION_CLAIM]);
  if (
    unreachable(
      plan.levels.map(({ name }) => name),
      plan.people,
      channels,
    ).length > 0
  )
    return { levels: 0 };
  for (const one of plan.levels) {
    const { name, level, last, waitMs } = one;
    const found = reach(name, plan.people, channels);
    if ('problem' in found) throw new Error(found.problem);
    const { person, pager } = found;
    await callPerson(
      context,
      pager,
      {
        to: name,
        address: person.address,
        title: `Drill: level ${level} of the escalation for the rollout of ${context.config.name}`,
        text: last
          ? 'The levels before you let it pass. Please acknowledge this page. Nothing is wrong.'
          : 'Please do not acknowledge this page, so that the next level is called. Nothing is wrong.',
        token: tokenOf(context, plan, one, attempt),
        level,
        answerWanted: last,
      },
      { subject: DRILL, channel: person.channel, waitMs },
    );
  }
  return { levels: plan.levels.length };
}

/** The pages of the last drill by exactly this plan; `null` for a level that was not called. */
function lastDrill(
  context: RolloutContext,
  plan: Escalation,
  history: readonly JournalEvent[],
): (PageRecord | null)[] | null {
  for (let attempt = failuresOf(history, [DRILL, ESCALATION_CLAIM]); attempt >= 0; attempt--) {
    const pages = plan.levels.map((level) => findPage(history, tokenOf(context, plan, level, attempt)));
    if (pages.some((page) => page !== null)) return pages;
  }
  return null;
}

interface Problem {
  readonly text: string;
  readonly mend: string;
}

const AGAIN = 'run the preparation again: it walks the drill anew';

function drillProblems(plan: Escalation, pages: readonly (PageRecord | null)[]): Problem[] {
  return plan.levels.flatMap(({ name, last, level, waitMs }, index): Problem[] => {
    const page = pages[index] ?? null;
    const next = pages[index + 1] ?? null;
    if (page === null) return [{ text: `level ${level} (${name}) was not called`, mend: AGAIN }];
    if (page.answeredAfterMs !== null) return [];
    if (last)
      return [{ text: `level ${level} (${name}) did not acknowledge`, mend: `see that ${name} gets pages; ${AGAIN}` }];
    const waited = next === null ? null : next.sentAt - page.sentAt;
    return waited !== null && waited < waitMs
      ? [{ text: `level ${level + 1} was called ${waited} ms after level ${level}, not ${waitMs} ms`, mend: AGAIN }]
      : [];
  });
}

/** Two levels or more, each with a contact that can be called, and a drill by exactly this plan. */
export function judgeEscalation(context: RolloutContext): Promise<Verdict> {
  return judgePlan(async () => {
    const { config, providers } = context;
    const plan = await readEscalation(context);
    const history = await context.history();
    const pages = lastDrill(context, plan, history);
    const earlier = history.findLast((event) => event.kind === 'page.sent' && event.subject === DRILL);
    const strangers = unreachable(
      plan.levels.map(({ name }) => name),
      plan.people,
      providers.channels,
    );
    const undrilled =
      earlier === undefined
        ? 'the escalation was not walked in a drill'
        : `the plan was changed since the drill of ${clock(Date.parse(earlier.at))}`;
    const problems = [
      ...strangers.map((text) => ({
        text,
        mend: `mend the contact in ${config.team.people}, or the channel in notifications`,
      })),
      ...(pages === null ? [{ text: undrilled, mend: AGAIN }] : drillProblems(plan, pages)),
    ];
    const walked = plan.levels.map(({ name, level, waitMs }, index) => ({
      level,
      to: name,
      waitMs,
      calledAt: pages?.[index] ? new Date(pages[index].sentAt).toISOString() : null,
      answeredAfterMs: pages?.[index]?.answeredAfterMs ?? null,
    }));
    const end = walked.at(-1);
    return verdict(problems.length === 0, {
      summary:
        problems.length === 0
          ? `${walked.length} levels walked; ${end?.to} acknowledged after ${end?.answeredAfterMs} ms`
          : problems.map((problem) => problem.text).join('; '),
      measured: { plan: plan.hash, walked },
      expected: 'each level called in turn after the wait of the one before, the last one acknowledged',
      ...mendOf(problems),
    });
  });
}

export function escalationCheck(): Check {
  return {
    id: ESCALATION_CLAIM,
    title: 'The escalation was walked in a drill',
    proves: [ESCALATION_CLAIM],
    run: judgeEscalation,
  };
}

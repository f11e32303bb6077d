import type { RolloutContext } from '../../rollout/context.ts';
import type { JournalEvent } from '../../rollout/journal-event.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { clock, gapsIn, onCallAt, watchSpan, type Span } from './coverage.ts';
import { judgePlan } from './judge-plan.ts';
import { callPerson, failuresOf, findPage, pageToken, type PageRecord } from './page.ts';
import { reach, readPeople, unreachable } from './people.ts';

export const ON_CALL_CLAIM = 'preCutover.team.onCallSchedule';
export const TEST_PAGE = 'team.testPage';

/** Calls whoever is on call now. Answers with their name, or `null` when there is nobody who could be called. */
export async function sendTestPage(context: RolloutContext): Promise<{ called: string | null }> {
  const { config, providers, rollout } = context;
  const now = Date.now();
  const people = await readPeople(config.team.people);
  const called = onCallAt(await providers.onCall.shifts(now, now + 1), now);
  if (called === null) return { called: null };
  const found = reach(called, people, providers.channels);
  if ('problem' in found) return { called: null };
  const { person, pager } = found;
  const history = await context.history();
  const attempt = failuresOf(history, [TEST_PAGE, ON_CALL_CLAIM]) + pagesBefore(history, now - lifeOf(context)).length;
  const minutes = Math.ceil(config.team.answerWithinMs / 60_000);
  await callPerson(
    context,
    pager,
    {
      to: person.name,
      address: person.address,
      title: `Test page: you are on call for the rollout of ${config.name}`,
      text: `Please acknowledge this page within ${minutes} min. Nothing is wrong.`,
      token: pageToken(rollout, TEST_PAGE, person.name, person.channel, person.address, attempt),
      level: 0,
      answerWanted: true,
    },
    { subject: TEST_PAGE, channel: person.channel, waitMs: config.team.answerWithinMs },
  );
  return { called };
}

/** How long an answer counts, ms: as long as what staging showed. */
const lifeOf = (context: RolloutContext): number => context.config.gates.validationExpiresMs;

const isTestPage = (event: JournalEvent): boolean => event.kind === 'page.sent' && event.subject === TEST_PAGE;

function pagesBefore(history: readonly JournalEvent[], at: number): readonly JournalEvent[] {
  return history.filter((event) => isTestPage(event) && Date.parse(event.at) < at);
}

/** The last test page to that person that is not too old. */
async function lastPage(context: RolloutContext, to: string | null): Promise<PageRecord | null> {
  const history = await context.history();
  const old = new Set(pagesBefore(history, Date.now() - lifeOf(context)));
  const sent = history.findLast(
    (event) => isTestPage(event) && !old.has(event) && event.kind === 'page.sent' && event.data.to === to,
  );
  return sent?.kind === 'page.sent' ? findPage(history, sent.data.token) : null;
}

interface Problem {
  readonly text: string;
  readonly mend: string;
}

/** Who is on call from now to the end of the watch, and what is wrong about it. */
async function readCoverage({ config, providers }: RolloutContext): Promise<{
  readonly span: Span;
  readonly names: readonly string[];
  readonly gaps: readonly { from: string; until: string }[];
  readonly strangers: readonly string[];
  /** Who is called now. */
  readonly first: string | null;
  readonly problems: readonly Problem[];
}> {
  const { place } = providers.onCall;
  const span = watchSpan(config.durations, Date.now());
  const people = await readPeople(config.team.people);
  const shifts = await providers.onCall.shifts(span.from, span.until);
  const names = [...new Set(shifts.map((shift) => shift.person))];
  const gaps = gapsIn(shifts, span).map(({ from, until }) => ({ from: clock(from), until: clock(until) }));
  const strangers = unreachable(names, people, providers.channels);
  const problems = [
    ...gaps.map(({ from, until }) => ({
      text: `nobody is on call from ${from} to ${until}`,
      mend: `give somebody these times in ${place}`,
    })),
    ...strangers.map((text) => ({
      text,
      mend: `mend the contact in ${config.team.people}, or the channel in notifications`,
    })),
  ];
  return { span, names, gaps, strangers, first: onCallAt(shifts, span.from), problems };
}

/** Every minute from now to the end of the watch is covered by somebody who can be called. */
export function judgeCoverage(context: RolloutContext): Promise<Verdict> {
  return judgePlan(async () => {
    const { span, names, gaps, strangers, problems } = await readCoverage(context);
    return verdict(problems.length === 0, {
      summary:
        problems.length === 0
          ? `${names.join(', ')} cover every minute to ${clock(span.until)}`
          : problems.map((problem) => problem.text).join('; '),
      measured: {
        from: clock(span.from),
        until: clock(span.until),
        onCall: [...names],
        gaps: [...gaps],
        unreachable: [...strangers],
      },
      expected: { gaps: [], unreachable: [] },
      ...mendOf(problems),
    });
  });
}

/** Every minute is covered by somebody who can be called, and who is on call now answered a test page. */
export function judgeOnCall(context: RolloutContext): Promise<Verdict> {
  return judgePlan(async () => {
    const { config } = context;
    const { span, names, gaps, strangers, first, problems: uncovered } = await readCoverage(context);
    const page = await lastPage(context, first);
    const answeredAfterMs = page?.answeredAfterMs ?? null;
    const problems = [
      ...uncovered,
      ...(first === null || answeredAfterMs !== null
        ? []
        : [
            {
              text:
                page === null
                  ? `${first} was sent no test page in the last ${lifeOf(context) / 3600_000} h`
                  : `${first} did not acknowledge the test page`,
              mend: `see that ${first} gets pages, then: crossfade prepare (it calls them anew)`,
            },
          ]),
    ];
    return verdict(problems.length === 0, {
      summary:
        problems.length === 0
          ? `${names.join(', ')} cover every minute to ${clock(span.until)}; ${first ?? 'nobody'} acknowledged the test page after ${answeredAfterMs} ms`
          : problems.map((problem) => problem.text).join('; '),
      measured: {
        from: clock(span.from),
        until: clock(span.until),
        onCall: [...names],
        gaps: [...gaps],
        unreachable: [...strangers],
        testPage: { to: first, answeredAfterMs },
      },
      expected: { gaps: [], unreachable: [], testPage: `acknowledged within ${config.team.answerWithinMs} ms` },
      ...mendOf(problems),
    });
  });
}

/** The ways to mend what is wrong, each once. */
export function mendOf(problems: readonly { mend: string }[]): { mend?: string } {
  return problems.length === 0 ? {} : { mend: [...new Set(problems.map((problem) => problem.mend))].join('; ') };
}

export function onCallCheck(): Check {
  return {
    id: ON_CALL_CLAIM,
    title: 'Somebody is on call to the end of the watch, and answers',
    proves: [ON_CALL_CLAIM],
    run: judgeOnCall,
  };
}

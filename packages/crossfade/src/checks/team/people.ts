import * as v from 'valibot';
import type { Notifier, Pager } from '../../providers/providers.ts';
import { readPlanFile } from '../../rollout/plan-file.ts';

const words = v.pipe(v.string(), v.minLength(1, 'expected some text'));
const peopleFile = v.strictObject({
  people: v.pipe(
    v.array(
      v.strictObject({
        name: words,
        /** A channel of the config's `notifications`, and who the person is there. */
        contact: v.strictObject({ channel: words, address: words }),
      }),
    ),
    v.minLength(1, 'expected at least one person'),
  ),
});

export interface Person {
  readonly name: string;
  readonly channel: string;
  readonly address: string;
}

/** Everybody who may be called, by name. @throws PlanFileError */
export async function readPeople(file: string): Promise<ReadonlyMap<string, Person>> {
  const { people } = await readPlanFile(file, peopleFile);
  return new Map(people.map(({ name, contact }) => [name, { name, ...contact }]));
}

type Reach = { readonly person: Person; readonly pager: Pager } | { readonly problem: string };

/** How one person is called, or why they cannot be. */
export function reach(
  name: string,
  people: ReadonlyMap<string, Person>,
  channels: ReadonlyMap<string, Notifier>,
): Reach {
  const person = people.get(name);
  if (person === undefined) return { problem: `${name} has no contact` };
  const channel = channels.get(person.channel);
  if (channel === undefined) return { problem: `${name}'s channel ${person.channel} is not configured` };
  if (channel.pager === undefined) return { problem: `${name}'s channel ${person.channel} has no way to answer` };
  return { person, pager: channel.pager };
}

/** Why some of these people cannot be called; each name once. */
export function unreachable(
  names: readonly string[],
  people: ReadonlyMap<string, Person>,
  channels: ReadonlyMap<string, Notifier>,
): string[] {
  return [...new Set(names)].flatMap((name) => {
    const answer = reach(name, people, channels);
    return 'problem' in answer ? [answer.problem] : [];
  });
}

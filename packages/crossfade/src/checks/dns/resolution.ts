import type { DnsAnswer } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { until } from '../../rollout/until.ts';

const EVERY_MS = 250;

/** What the authority and every resolver say of one name, authority first. */
export async function askEverywhere({ providers }: RolloutContext, host: string): Promise<DnsAnswer[]> {
  const [authority, resolvers] = await Promise.all([providers.dns.atAuthority(host), providers.dns.atResolvers(host)]);
  return [authority, ...resolvers];
}

/** How long the slowest honest cache may keep an answer of this TTL, ms on this machine's clock; twice, for those that hold on. */
export function letGoMs({ config }: RolloutContext, ttlSeconds: number): number {
  return ((ttlSeconds * 2 + 5 * config.dns.ttlScale) / config.dns.ttlScale) * 1000;
}

/** Waits until every server answers as wanted, or the time is over; the last answers tell who does not. */
export async function untilEverywhere(
  context: RolloutContext,
  host: string,
  isGood: (answer: DnsAnswer) => boolean,
  timeoutMs: number,
): Promise<{ good: boolean; answers: DnsAnswer[]; ms: number }> {
  const { good, reading, ms } = await until(
    () => askEverywhere(context, host),
    (answers) => answers.every(isGood),
    { timeoutMs, everyMs: EVERY_MS, signal: context.signal },
  );
  return { good, answers: reading, ms };
}

export function isEdge({ config }: RolloutContext, answer: DnsAnswer): boolean {
  return answer.addresses.length > 0 && answer.addresses.every((address) => config.dns.edgeAddresses.includes(address));
}

/** `127.0.0.11:53 → 127.0.0.31 (2 s)` for people. */
export function describeAnswers(answers: readonly DnsAnswer[]): string {
  return answers
    .map(
      ({ server, addresses, ttl, error }) =>
        `${server} → ${error ?? addresses.join(' ')}${ttl === null ? '' : ` (${ttl} s)`}`,
    )
    .join(', ');
}

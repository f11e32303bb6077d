import type { Answer } from 'dns-packet';
import { askServer, RCODE, startDnsServer, type DnsReply, type DnsServer } from './message.ts';

export interface ResolverOptions {
  readonly address: string;
  readonly port: number;
  /** `ip:port` of the server that it asks. */
  readonly authority: string;
  /** A TTL of n seconds is kept for n / ttlScale. */
  readonly ttlScale: number;
  /** Keeps answers so many times longer than it should: some resolvers are slow to let go. */
  readonly holdFactor?: number;
  /** While this holds, an answer that it has is given whatever its TTL says. */
  readonly isStale?: () => boolean;
}

interface Kept {
  readonly until: number;
  readonly reply: DnsReply;
}

const ASK_TIMEOUT_MS = 1000;
const TRIES = 2;

/** Seconds that an answer may be kept: the least TTL in it, or the SOA's minimum when there is none (RFC 2308). */
function ttlOf(answers: readonly Answer[], authorities: readonly Answer[]): number {
  const ttls = answers.flatMap((answer) => ('ttl' in answer && typeof answer.ttl === 'number' ? [answer.ttl] : []));
  if (ttls.length > 0) return Math.min(...ttls);
  const soa = authorities.find((one) => one.type === 'SOA');
  return soa?.type === 'SOA' ? Math.min(soa.data.minimum ?? 60, soa.ttl ?? 60) : 0;
}

/**
 * A caching resolver. It keeps answers by TTL on a clock that runs `ttlScale` times as fast, asks once for many
 * who ask at the same time, and tells its clients the whole seconds that are left (rounded up, of its own clock).
 */
export async function startResolver(options: ResolverOptions): Promise<DnsServer & { queries(): number }> {
  const cache = new Map<string, Kept>();
  const asking = new Map<string, Promise<Kept | null>>();
  let queries = 0;

  async function ask(question: { name: string; type: string }, key: string): Promise<Kept | null> {
    for (let attempt = 0; attempt < TRIES; attempt++) {
      queries++;
      const answer = await askServer(options.authority, question, ASK_TIMEOUT_MS);
      if (answer === null) continue;
      const answers = answer.answers ?? [];
      const authorities = answer.authorities ?? [];
      const rcode = answer.flags === undefined ? RCODE.serverFailure : answer.flags & 0xf;
      const keptMs = ((ttlOf(answers, authorities) * (options.holdFactor ?? 1)) / options.ttlScale) * 1000;
      const kept = { until: Date.now() + keptMs, reply: { rcode, answers, authorities, authoritative: false } };
      if (keptMs > 0) cache.set(key, kept);
      return kept;
    }
    return null;
  }

  const server = await startDnsServer(options.address, options.port, async (question) => {
    const key = `${question.name.toLowerCase()}|${question.type}`;
    const cached = cache.get(key);
    const stale = options.isStale?.() === true;
    let kept = cached !== undefined && (stale || cached.until > Date.now()) ? cached : null;
    if (kept === null) {
      const pending = asking.get(key) ?? ask(question, key).finally(() => asking.delete(key));
      asking.set(key, pending);
      kept = await pending;
    }
    if (kept === null) return { rcode: RCODE.serverFailure, answers: [], authoritative: false };
    // A stale answer says that it is good for a while longer: nobody can tell from outside.
    const left = Math.max(stale ? 1 : 0, Math.ceil((kept.until - Date.now()) / 1000));
    return {
      ...kept.reply,
      answers: kept.reply.answers.map((answer) => ('ttl' in answer ? { ...answer, ttl: left } : answer)),
    };
  });
  return { ...server, queries: () => queries };
}

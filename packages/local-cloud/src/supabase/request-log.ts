interface Logged {
  /** Epoch ms. */
  readonly at: number;
  readonly agent: string;
}

/** Storage requests are forgotten after so many: the log is in memory. */
const MOST_KEPT = 2_000_000;

/** Storage requests as the vendor's usage counts and its log tell them. Kept in memory: a restart begins anew. */
export interface RequestLog {
  note(agent: string | undefined): void;
  /** By minute, of the whole window (epoch ms). */
  byMinute(since: number, until: number): { timestamp: string; total: number }[];
  /** By the `User-Agent` that asked; '' where there was none. */
  byAgent(since: number, until: number): { agent: string; requests: number }[];
}

export function createRequestLog(): RequestLog {
  let kept: Logged[] = [];

  function count<Key>(since: number, until: number, keyOf: (one: Logged) => Key): Map<Key, number> {
    const counts = new Map<Key, number>();
    for (const one of kept)
      if (one.at >= since && one.at < until) counts.set(keyOf(one), (counts.get(keyOf(one)) ?? 0) + 1);
    return counts;
  }

  return {
    note(agent = '') {
      kept.push({ at: Date.now(), agent });
      if (kept.length > MOST_KEPT) kept = kept.slice(MOST_KEPT / 2);
    },
    byMinute: (since, until) =>
      [...count(since, until, ({ at }) => Math.floor(at / 60_000) * 60_000)].map(([minute, total]) => ({
        timestamp: new Date(minute).toISOString(),
        total,
      })),
    byAgent: (since, until) =>
      [...count(since, until, ({ agent }) => agent)].map(([agent, requests]) => ({ agent, requests })),
  };
}

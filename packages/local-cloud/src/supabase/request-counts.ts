/** Storage requests by second, as the vendor's usage counts them. Kept in memory: a restart begins anew. */
export function createRequestCounts(): {
  count(): void;
  between(since: number, until: number): { timestamp: string; total: number }[];
} {
  const seconds = new Map<number, number>();
  return {
    count() {
      const second = Math.floor(Date.now() / 1000);
      seconds.set(second, (seconds.get(second) ?? 0) + 1);
    },
    /** Whole seconds inside the window (epoch ms), grouped by minute. */
    between(since, until) {
      const minutes = new Map<number, number>();
      for (const [second, total] of seconds) {
        if (second * 1000 < since || (second + 1) * 1000 > until) continue;
        const minute = Math.floor(second / 60) * 60;
        minutes.set(minute, (minutes.get(minute) ?? 0) + total);
      }
      return [...minutes].map(([minute, total]) => ({ timestamp: new Date(minute * 1000).toISOString(), total }));
    },
  };
}

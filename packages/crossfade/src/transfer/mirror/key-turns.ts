/** Work on one key comes one after the other; different keys go side by side. */
export interface KeyTurns {
  inTurn<Answer>(key: string, work: () => Promise<Answer>): Promise<Answer>;
}

export function createKeyTurns(): KeyTurns {
  const last = new Map<string, Promise<unknown>>();
  return {
    async inTurn(key, work) {
      const before = last.get(key) ?? Promise.resolve();
      const own = before.then(work, work);
      last.set(key, own);
      try {
        return await own;
      } finally {
        if (last.get(key) === own) last.delete(key);
      }
    },
  };
}

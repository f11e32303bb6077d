/** A number of places, given in the order of asking. The answer of a place is what gives it back. */
export function createPlaces(count: number): (signal: AbortSignal) => Promise<() => void> {
  let free = count;
  const waiting = new Set<() => void>();

  function leave(): void {
    const [next] = waiting;
    if (next === undefined) free++;
    else next();
  }
  const place = (): (() => void) => {
    let left = false;
    return () => {
      if (left) return;
      left = true;
      leave();
    };
  };
  return (signal) =>
    new Promise((resolve, reject) => {
      if (signal.aborted) return void reject(new DOMException('stopped', 'AbortError'));
      if (free > 0) {
        free--;
        return void resolve(place());
      }
      const enter = (): void => {
        waiting.delete(enter);
        signal.removeEventListener('abort', giveUp);
        resolve(place());
      };
      const giveUp = (): void => {
        waiting.delete(enter);
        reject(new DOMException('stopped', 'AbortError'));
      };
      waiting.add(enter);
      signal.addEventListener('abort', giveUp, { once: true });
    });
}

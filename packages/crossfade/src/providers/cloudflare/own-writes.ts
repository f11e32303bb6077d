import { backOffMs } from '../retry.ts';

/** An answer that lacks what was written here is asked for so many times; after that somebody else has changed it. */
const LOOKS = 4;

export interface OwnWrites<Answer> {
  /** What was just written shows in an answer for which `shows` holds. */
  note(key: string, shows: (answer: Answer) => boolean): void;
  /** Reads, again while the answer is older than what was written, and then believes it. */
  read(key: string, ask: () => Promise<Answer>): Promise<Answer>;
}

/**
 * A vendor's answer may come from before one's own write. Whoever believes it uploads a second time, or takes a
 * rollback for done, so a reader here sees at least what this process wrote. `pace` is a share of the pauses.
 */
export function createOwnWrites<Answer>(pace: number): OwnWrites<Answer> {
  const written = new Map<string, (answer: Answer) => boolean>();
  return {
    note: (key, shows) => void written.set(key, shows),
    async read(key, ask) {
      for (let look = 1; ; look++) {
        const answer = await ask();
        const shows = written.get(key);
        if (shows === undefined || shows(answer)) return answer;
        if (look === LOOKS) {
          written.delete(key);
          return answer;
        }
        await new Promise((resolve) => setTimeout(resolve, backOffMs(look) * pace));
      }
    },
  };
}

/** What the walk over the phases needs of an engine: a step whose answer, once given, is never asked for again. */
export interface Durable {
  /** Runs `work` unless an earlier life of this rollout finished it; then its recorded answer is returned. */
  step<Answer>(name: string, work: () => Promise<Answer>): Promise<Answer>;
}

import type { Json } from './json.ts';

/** What a check answered: never a bare boolean, always what was measured against what was expected. */
export interface Verdict {
  readonly status: 'pass' | 'fail' | 'skipped';
  /** One sentence a person can read at three in the morning. */
  readonly summary: string;
  readonly measured: Json;
  readonly expected: Json;
  /** Files in the rollout's evidence folder (relative paths). */
  readonly evidence: readonly string[];
  /** The command or action that would mend a failure. */
  readonly mend?: string;
}

/** The measured value decides: `holds` is computed by the caller from `measured`, never set by hand. */
export function verdict(
  holds: boolean,
  answer: { summary: string; measured: Json; expected: Json; evidence?: readonly string[]; mend?: string },
): Verdict {
  return { status: holds ? 'pass' : 'fail', evidence: [], ...answer };
}

/** A check that could not be made says why; it never counts as proven. */
export function skipped(reason: string): Verdict {
  return { status: 'skipped', summary: reason, measured: null, expected: null, evidence: [] };
}

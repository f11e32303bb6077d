import { PlanFileError } from '../../rollout/plan-file.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';

/** A plan that cannot be read is a failure that names the file and the field. */
export async function judgePlan(judge: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await judge();
  } catch (error) {
    if (!(error instanceof PlanFileError)) throw error;
    return verdict(false, {
      summary: error.message,
      measured: error.message,
      expected: 'a plan that can be read',
      mend: 'mend the file that is named, then run the preparation again',
    });
  }
}

/** Acts by a plan; one that cannot be read is nothing to act on, and the verdict that follows says what is wrong. */
export async function actOnPlan<Result>(act: () => Promise<Result>): Promise<Result | { unreadable: string }> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof PlanFileError) return { unreadable: error.message };
    throw error;
  }
}

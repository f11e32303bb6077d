/**
 * What became of the objects that a source listed. Each is in exactly one class, so the classes add up to `listed`; a
 * run whose classes do not has lost sight of an object and has failed, whatever else it says.
 */
export interface Account {
  readonly listed: number;
  /** The target holds it, by its bytes. */
  readonly proven: number;
  /** Missing, different, unreadable or impossible to hold: each is a finding with a reason. */
  readonly failed: number;
  /** Deleted in the source after it was listed, by the word of a second listing: each is a finding. */
  readonly gone: number;
  /** Changed in the source after the last pass of a copy began, and not proven yet; a verification knows none. */
  readonly late: number;
}

/** Listed objects that no class names; below 0 where some are named twice. */
export function unaccounted({ listed, proven, failed, gone, late }: Account): number {
  return listed - proven - failed - gone - late;
}

/** Nothing is left unnamed or wrong, and something was proven: "0 of 0" and "all are gone" prove nothing. */
export function isProven(account: Account): boolean {
  return account.proven > 0 && account.failed === 0 && unaccounted(account) === 0;
}

/** `proven 5, failed 1, gone 2 of 8 listed` */
export function accountText({ listed, proven, failed, gone, late }: Account): string {
  const classes = [
    `proven ${text(proven)}`,
    `failed ${text(failed)}`,
    `gone ${text(gone)}`,
    ...(late === 0 ? [] : [`late ${text(late)}`]),
  ];
  return `${classes.join(', ')} of ${text(listed)} listed`;
}

/** Says that the sums are wrong; `null` where they are right. */
export function unaccountedText(account: Account): string | null {
  const left = unaccounted(account);
  if (left === 0) return null;
  return left > 0
    ? `${text(left)} of ${text(account.listed)} listed objects are neither proven, failed nor gone: run it again, and report this as a bug`
    : `${text(-left)} more objects are accounted for than the ${text(account.listed)} that were listed: run it again, and report this as a bug`;
}

const text = (count: number): string => count.toLocaleString('en');

/** Every way a command can end; the one place that says so. */
export const EXIT = {
  done: 0,
  /** A gate or a check failed. */
  failed: 1,
  /** The command or the config is wrong. */
  usage: 2,
  rolledBack: 3,
  /** A provider could not be reached. */
  unreachable: 4,
  /** The rollback is incomplete: a person is needed. */
  rollbackIncomplete: 5,
  interrupted: 130,
} as const;

import { EXIT } from './exit-codes.ts';

/** Something that the person at the keyboard can mend: shown as one message, never with a stack trace. */
export class UserError extends Error {
  override readonly name = 'UserError';
  /** Stable, e.g. `CROSSFADE_SCENARIO_UNKNOWN`. */
  readonly code: string;
  readonly exitCode: number;
  /** What to do next. */
  readonly hint: string;
  constructor(code: string, message: string, hint: string, exitCode: number = EXIT.usage) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** Errors of the operating system that a person can mend, in their words. */
const SYSTEM_ERRORS: Readonly<Record<string, { code: string; text: string; hint: string }>> = {
  ENOSPC: {
    code: 'CROSSFADE_DISK_FULL',
    text: 'the disk is full',
    hint: 'free some space, then run the command again',
  },
  EDQUOT: {
    code: 'CROSSFADE_DISK_FULL',
    text: 'the disk quota is used up',
    hint: 'free some space, then run the command again',
  },
  EACCES: { code: 'CROSSFADE_NO_PERMISSION', text: 'permission denied', hint: 'check who owns the file or folder' },
  EROFS: {
    code: 'CROSSFADE_READ_ONLY',
    text: 'the file system is read-only',
    hint: 'run the command in a folder that can be written',
  },
  EMFILE: { code: 'CROSSFADE_FILES_OPEN', text: 'too many open files', hint: 'raise the limit: ulimit -n 4096' },
};

function findCode(error: unknown): { code: string; path: string | undefined } | null {
  for (let one: unknown = error; one instanceof Error; one = one.cause) {
    if ('code' in one && typeof one.code === 'string' && Object.hasOwn(SYSTEM_ERRORS, one.code)) {
      return { code: one.code, path: 'path' in one && typeof one.path === 'string' ? one.path : undefined };
    }
  }
  return null;
}

/** The user's side of a system error, or `null` when it is ours. */
export function asUserError(error: unknown): UserError | null {
  if (error instanceof UserError) return error;
  const found = findCode(error);
  const known = found === null ? undefined : SYSTEM_ERRORS[found.code];
  if (found === null || known === undefined) return null;
  return new UserError(
    known.code,
    found.path === undefined ? known.text : `${known.text}: ${found.path}`,
    known.hint,
    EXIT.failed,
  );
}

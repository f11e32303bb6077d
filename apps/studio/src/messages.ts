/** What a refusal of the API means for the person in front of it. */
const MESSAGES: Readonly<Record<string, string>> = {
  TOKEN_MISSING: 'Please sign in.',
  TOKEN_INVALID: 'Your sign-in is no longer valid. Please sign in again.',
  TOKEN_EXPIRED: 'Your sign-in has expired. Please sign in again.',
  PRO_ONLY: 'This track is for the pro tier.',
  NOT_OWNER: 'This file belongs to somebody else.',
  NOT_FOUND: 'This file is not there any more.',
  FILE_TOO_LARGE: 'This file is larger than your tier allows.',
  TYPE_NOT_ALLOWED: 'Only MP3, WAV and M4A files can be uploaded.',
  FILENAME_INVALID: 'This file name cannot be used.',
  SIGNATURE_EXPIRED: 'The link has expired. Please try again.',
  DATABASE_UNAVAILABLE: 'We cannot reach our database right now. Please try again in a moment.',
};

export function messageFor(code: string): string {
  return MESSAGES[code] ?? 'Something went wrong. Please try again.';
}

export const OFFLINE = 'You are offline, or we cannot be reached. Your files are safe; please try again.';

/** Whether the person has to sign in again before anything else can work. */
export function needsSignIn(code: string): boolean {
  return code === 'TOKEN_MISSING' || code === 'TOKEN_INVALID' || code === 'TOKEN_EXPIRED';
}

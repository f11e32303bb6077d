/** What a refusal of the API means for the person in front of it, and what to do about it. */
const MESSAGES: Readonly<Record<string, string>> = {
  TOKEN_MISSING: 'Please sign in.',
  TOKEN_INVALID: 'Your sign-in is no longer valid. Please sign in again.',
  TOKEN_EXPIRED: 'Your sign-in has expired. Please sign in again.',
  PRO_ONLY: 'This track is for the pro tier.',
  NOT_OWNER: 'This file belongs to somebody else.',
  NOT_FOUND: 'This file is not there any more.',
  FILE_TOO_LARGE: 'This file is larger than your tier allows.',
  TYPE_NOT_ALLOWED: 'Only MP3, WAV and M4A files can be uploaded.',
  FILENAME_INVALID: 'This file name cannot be used. Please rename the file and try again.',
  QUOTA_EXCEEDED: 'Your uploads for today are used up.',
  RATE_LIMITED: 'That was a lot at once. Please wait a moment.',
  SIGNATURE_EXPIRED: 'The link has expired. Please try again.',
  UPLOAD_OVER: 'This upload has ended already. Please choose the file again.',
  UPLOAD_INVALID: 'This upload cannot be continued. Please choose the file again.',
  UPLOAD_INCOMPLETE: 'A part of the file did not arrive. Please try again.',
  LENGTH_MISMATCH: 'The file changed while it was uploaded. Please choose it again.',
  PARTS_UNAVAILABLE: 'Large files have to wait for a moment. Please try again in a minute.',
  LIMITS_UNAVAILABLE: 'We cannot look up your quota right now. Please try again in a moment.',
  DATABASE_UNAVAILABLE: 'We cannot reach our database right now. Please try again in a moment.',
};

/** The words for a code; with the seconds after which it makes sense to try again, where the answer told them. */
export function messageFor(code: string, retryAfterSeconds: number | null = null, now = new Date()): string {
  const words = MESSAGES[code] ?? 'Something went wrong. Please try again.';
  if (retryAfterSeconds === null || (code !== 'QUOTA_EXCEEDED' && code !== 'RATE_LIMITED')) return words;
  const at = new Date(now.getTime() + retryAfterSeconds * 1000);
  return `${words} You can go on at ${at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}.`;
}

export const OFFLINE = 'You are offline, or we cannot be reached. Your files are safe; please try again.';

/** Whether the person has to sign in again before anything else can work. */
export function needsSignIn(code: string): boolean {
  return code === 'TOKEN_MISSING' || code === 'TOKEN_INVALID' || code === 'TOKEN_EXPIRED';
}

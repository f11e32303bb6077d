/** What a refusal of the API means for the person in front of it, and what to do next. Keys are the API's codes. */
const OURS = 'Something went wrong on our side. Please try again in a moment.';
const AGAIN = 'This upload cannot be continued. Choose the file again to start over.';
export const MESSAGES: Readonly<Record<string, string>> = {
  TOKEN_MISSING: 'Please sign in to go on.',
  TOKEN_INVALID: 'Your sign-in is no longer valid. Please sign in again.',
  TOKEN_EXPIRED: 'Your sign-in has expired. Please sign in again.',
  PRO_ONLY: 'This track needs the pro or enterprise tier. Upgrade your account, or choose another track.',
  NOT_OWNER: 'This file belongs to somebody else. Sign in as its owner to use it.',
  NOT_FOUND: 'This file is not there any more. Reload the page to see what is.',
  REPLACEMENT_TOO_LARGE:
    'A file this large cannot take the place of another. Upload it as a new one, then delete the old.',
  FILE_TOO_LARGE: 'This file is larger than your tier allows. Choose a smaller one, or save it as MP3 or M4A.',
  TYPE_NOT_ALLOWED: 'Only MP3, WAV and M4A files can be uploaded. Convert the file, then choose it again.',
  FILENAME_INVALID:
    'This file name cannot be used. Rename the file (no slashes, at most 255 characters), and choose it again.',
  FILE_UNREADABLE: 'This file cannot be read any more: it was moved, changed or deleted. Choose it again.',
  QUOTA_EXCEEDED: 'Your uploads for today are used up.',
  RATE_LIMITED: 'That was a lot at once.',
  SIGNATURE_EXPIRED: 'The link has expired. Please try again.',
  SIGNATURE_INVALID: 'The link does not work any more. Please try again.',
  UPLOAD_OVER: AGAIN,
  UPLOAD_INVALID: AGAIN,
  UPLOAD_INCOMPLETE: 'A part of the file did not arrive. Try again to send it anew.',
  LENGTH_MISMATCH: 'The file changed while it was uploaded. Choose it again.',
  PARTS_UNAVAILABLE: 'Large files have to wait for a moment. Please try again in a minute.',
  LIMITS_UNAVAILABLE: 'We cannot look up your quota right now. Please try again in a moment.',
  DATABASE_UNAVAILABLE: 'We cannot reach our database right now. Please try again in a moment.',
  LEGACY_UNAVAILABLE: 'We cannot reach our storage right now. Please try again in a moment.',
  KEYS_UNAVAILABLE: 'We cannot check your sign-in right now. Please try again in a moment.',
  OFFLINE: 'You are offline. Check your connection; your files are safe.',
  UNREACHABLE: 'We cannot be reached. Check your connection and try again; your files are safe.',
  PLAYBACK_BLOCKED: 'Your browser did not let the sound start. Press play once more.',
  PLAYBACK_FAILED: 'This track cannot be played right now. Press play to try again.',
  // From Supabase Auth.
  invalid_credentials: 'This email and password do not fit. Check both and try again.',
  email_not_confirmed: 'This email is not confirmed yet. Open the link in the message that we sent you.',
  over_request_rate_limit: 'Those were too many tries. Wait a minute, then sign in again.',
  user_banned: 'This account is closed. Please write to our support.',
  // What only a broken studio would meet: there is nothing that a person could do about the difference.
  INTERNAL: OURS,
  BODY_INVALID: OURS,
  BODY_TOO_LARGE: OURS,
  KEY_INVALID: OURS,
  LENGTH_REQUIRED: OURS,
  TYPE_MISMATCH: OURS,
  RANGE_NOT_SATISFIABLE: OURS,
  PRECONDITION_FAILED: OURS,
  ROUTE_NOT_FOUND: OURS,
};

/** Why uploads are held back, and that they go on by themselves. */
export const OBSTACLES = {
  offline: 'You are offline. It goes on by itself.',
  'sign-in': 'Waits until you have signed in again.',
} as const;
export type Obstacle = keyof typeof OBSTACLES;

/** Up to here a wait is told in seconds rather than as a time of day. */
const SHORT_WAIT_SECONDS = 90;
const DAY_MS = 24 * 3600 * 1000;

const startOfDay = (date: Date): number => new Date(date).setHours(0, 0, 0, 0);

/** When a wait is over, as people say it: `in 20 seconds`, `at 14:05`, `tomorrow at 02:00`. */
export function whenOver(seconds: number, now = new Date()): string {
  if (seconds <= SHORT_WAIT_SECONDS) return seconds === 1 ? 'in 1 second' : `in ${Math.ceil(seconds)} seconds`;
  const at = new Date(now.getTime() + seconds * 1000);
  const time = at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  // Rounded: a day has 23 or 25 hours when the clocks change.
  const days = Math.round((startOfDay(at) - startOfDay(now)) / DAY_MS);
  if (days === 0) return `at ${time}`;
  return days === 1 ? `tomorrow at ${time}` : `on ${at.toLocaleDateString([], { weekday: 'long' })} at ${time}`;
}

/** The words for a code; with the time after which it makes sense to try again, where the answer told it. */
export function messageFor(code: string, retryAfterSeconds: number | null = null, now = new Date()): string {
  const words = MESSAGES[code] ?? OURS;
  const when = retryAfterSeconds === null ? null : whenOver(retryAfterSeconds, now);
  if (code === 'QUOTA_EXCEEDED')
    return when === null ? `${words} Try again tomorrow.` : `${words} You can go on ${when}.`;
  if (code === 'RATE_LIMITED')
    return `${words} ${when === null ? 'Wait a moment, then try again.' : `You can go on ${when}.`}`;
  return words;
}

/** What happened, without what to do about it: for when the studio itself is about to try again. */
export function reasonFor(code: string): string {
  return (MESSAGES[code] ?? OURS).split(/(?<=\.) /)[0] ?? OURS;
}

/** Whether the person has to sign in again before anything else can work. */
export function needsSignIn(code: string): boolean {
  return code === 'TOKEN_MISSING' || code === 'TOKEN_INVALID' || code === 'TOKEN_EXPIRED';
}

const RIGHTLY_REFUSED: ReadonlySet<string> = new Set([
  'TOKEN_MISSING',
  'TOKEN_INVALID',
  'TOKEN_EXPIRED',
  'PRO_ONLY',
  'NOT_OWNER',
  'FILE_TOO_LARGE',
  'TYPE_NOT_ALLOWED',
  'FILENAME_INVALID',
  'FILE_UNREADABLE',
  'QUOTA_EXCEEDED',
  'RATE_LIMITED',
  'PLAYBACK_BLOCKED',
]);

/** Whether the studio worked as it should when it said this: such an answer is no failure in anybody's statistics. */
export function isRightlyRefused(code: string): boolean {
  return RIGHTLY_REFUSED.has(code);
}

import { formatBytes } from './file-format.ts';
import { whenOver } from './messages.ts';
import { paceOf, sentOf, type Upload, type Uploads, type UploadState } from './upload-state.ts';

/** A mark beside the words, so that a state is told neither by colour nor by words alone. */
export const MARKS: Readonly<Record<UploadState, string>> = {
  left: '↺',
  queued: '…',
  sending: '↑',
  paused: '‖',
  held: '‖',
  failed: '!',
  done: '✓',
};

/** Between 0 and 1. An empty file is done or it is not. */
export function shareOf(upload: Upload): number {
  if (upload.size === 0) return upload.state === 'done' ? 1 : 0;
  return sentOf(upload) / upload.size;
}

/** Never 100 % before everything has arrived. */
export const percentOf = (upload: Upload): string => `${Math.floor(shareOf(upload) * 100)} %`;

function timeLeft(seconds: number): string {
  if (seconds < 60) return `${seconds} s left`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`;
  return `${Math.floor(seconds / 3600)} h ${Math.ceil((seconds % 3600) / 60)} min left`;
}

function sending(upload: Upload, now: number): string {
  const delays = Object.values(upload.delays).toSorted((a, b) => a.until - b.until);
  const [delay] = delays;
  if (delay !== undefined)
    return `${delay.message} Trying again ${whenOver(Math.max(1, Math.ceil((delay.until - now) / 1000)), new Date(now))}.`;
  const sent = sentOf(upload);
  if (sent === upload.size) return 'Finishing …';
  const { rate, secondsLeft } = paceOf(upload, now);
  const pace = rate === null ? [] : rate === 0 ? ['nothing moves'] : [`${formatBytes(Math.round(rate))}/s`];
  const left = secondsLeft === null ? [] : [timeLeft(secondsLeft)];
  return [percentOf(upload), `${formatBytes(sent)} of ${formatBytes(upload.size)}`, ...pace, ...left].join(' · ');
}

/** How an upload stands, in words, at `now` (epoch ms). */
export function statusOf(upload: Upload, now: number): string {
  switch (upload.state) {
    case 'left':
      return `Stopped at ${percentOf(upload)}. Choose the file again to go on.`;
    case 'queued':
      return 'Waits for its turn';
    case 'sending':
      return sending(upload, now);
    case 'paused':
      return `Paused at ${percentOf(upload)}`;
    case 'held':
    case 'failed':
      return upload.message;
    case 'done':
      return `Uploaded · ${formatBytes(upload.size)}`;
  }
}

/** What a person who does not see the list is told of a change: where each upload came to, not how far it is. */
export function announcement(before: Uploads, after: Uploads): string {
  const states = new Map(before.list.map(({ id, state }) => [id, state]));
  return after.list
    .filter(({ id, state }) => states.get(id) !== state && state !== 'queued' && state !== 'left')
    .map((upload) => `${upload.name}: ${upload.state === 'sending' ? 'uploading' : statusOf(upload, 0)}`)
    .join('. ');
}

/** Whether leaving the page now would cost the person something. */
export function isUnderWay({ list }: Uploads): boolean {
  return list.some(({ state }) => state === 'sending' || state === 'queued' || state === 'held');
}

import type { UploadQueue } from '../upload-queue.ts';
import type { Upload, UploadState } from '../upload-state.ts';
import { MARKS, shareOf, statusOf } from '../upload-words.ts';

interface Action {
  readonly label: string;
  readonly act: 'pause' | 'resume';
}

/** What the person can do to go on or stop; a lost file they choose again, an obstacle goes away by itself. */
const ACTIONS: Readonly<Partial<Record<UploadState, Action>>> = {
  queued: { label: 'Pause', act: 'pause' },
  sending: { label: 'Pause', act: 'pause' },
  held: { label: 'Pause', act: 'pause' },
  paused: { label: 'Resume', act: 'resume' },
  failed: { label: 'Retry', act: 'resume' },
};

export function UploadRow({
  upload,
  queue,
  now,
  onGone,
}: {
  upload: Upload;
  queue: UploadQueue;
  now: number;
  /** The row is about to go, and the focus with it. */
  onGone: () => void;
}) {
  const { id, name, state } = upload;
  const action = ACTIONS[state];
  return (
    <li data-state={state}>
      <span className="mark" aria-hidden="true">
        {MARKS[state]}
      </span>
      <span className="title">{name}</span>
      <span className="actions">
        {/* One button through all states: who pressed it with the keyboard is still on it. */}
        {action !== undefined && (
          <button
            type="button"
            aria-label={`${action.label} the upload of ${name}`}
            onClick={() => queue[action.act](id)}
          >
            {action.label}
          </button>
        )}
        <button
          type="button"
          aria-label={state === 'done' ? `Hide the upload of ${name}` : `Cancel the upload of ${name}`}
          onClick={() => {
            onGone();
            queue.cancel(id);
          }}
        >
          {state === 'done' ? 'Hide' : 'Cancel'}
        </button>
      </span>
      {state !== 'done' && <progress value={shareOf(upload)} max={1} aria-label={`Uploaded of ${name}`} />}
      <span className="status">{statusOf(upload, now)}</span>
    </li>
  );
}

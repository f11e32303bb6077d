import { useEffect, useRef, useState, type DragEvent } from 'react';
import { typeOf } from '../file-format.ts';
import type { MediaApi } from '../media-api.ts';
import { messageFor } from '../messages.ts';
import { browserMemory } from '../upload-memory.ts';
import { createUploadQueue, type UploadQueue, type UploadView } from '../upload-queue.ts';
import { report } from '../vitals.ts';

function left(seconds: number | null): string {
  if (seconds === null) return '';
  return seconds < 60 ? ` · ${seconds} s left` : ` · ${Math.ceil(seconds / 60)} min left`;
}

const STATES: Readonly<Record<UploadView['state'], string>> = {
  running: '',
  paused: 'Paused',
  done: 'Uploaded',
  failed: 'Failed',
};

function Row({ upload, queue }: { upload: UploadView; queue: UploadQueue }) {
  const { id, name, size, sent, state, message, secondsLeft } = upload;
  const share = size === 0 ? (state === 'done' ? 1 : 0) : sent / size;
  const words = message === '' ? STATES[state] : message;
  return (
    <li data-state={state}>
      <span className="title">{name}</span>
      <progress value={share} max={1} aria-label={`Uploaded of ${name}`} />
      <span className="share">{state === 'running' ? `${Math.round(share * 100)} %${left(secondsLeft)}` : words}</span>
      {state !== 'done' && (
        <span className="actions">
          {state === 'running' && (
            <button type="button" onClick={() => queue.pause(id)} aria-label={`Pause the upload of ${name}`}>
              Pause
            </button>
          )}
          {state === 'paused' && (
            <button type="button" onClick={() => queue.resume(id)} aria-label={`Resume the upload of ${name}`}>
              Resume
            </button>
          )}
          {state === 'failed' && (
            <button type="button" onClick={() => queue.resume(id)} aria-label={`Retry the upload of ${name}`}>
              Retry
            </button>
          )}
          <button type="button" onClick={() => queue.cancel(id)} aria-label={`Cancel the upload of ${name}`}>
            Cancel
          </button>
        </span>
      )}
    </li>
  );
}

export function UploadBox({
  api,
  user,
  onUploaded,
  onError,
}: {
  api: MediaApi;
  user: string;
  onUploaded: () => void;
  onError: (error: unknown) => void;
}) {
  const [views, setViews] = useState<readonly UploadView[]>([]);
  const [refused, setRefused] = useState<string | null>(null);
  const [over, setOver] = useState(false);
  const queue = useRef<UploadQueue | null>(null);
  queue.current ??= createUploadQueue({
    transport: api.transport,
    memory: browserMemory(user),
    onChange: () => setViews(queue.current?.views() ?? []),
    onDone: () => {
      report('upload', 0);
      onUploaded();
    },
    onError: (error) => {
      report('upload', 0, false);
      onError(error);
    },
  });
  useEffect(() => {
    const tell = (): void => queue.current?.setOnline(navigator.onLine);
    addEventListener('online', tell);
    addEventListener('offline', tell);
    return () => {
      removeEventListener('online', tell);
      removeEventListener('offline', tell);
    };
  }, []);

  function add(files: Iterable<File>): void {
    setRefused(null);
    for (const file of files) {
      const contentType = typeOf(file.name);
      if (contentType === null) setRefused(`${file.name}: ${messageFor('TYPE_NOT_ALLOWED')}`);
      else queue.current?.add(file, contentType);
    }
  }
  function drop(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  }
  return (
    <section aria-label="Upload">
      <label
        className={over ? 'drop over' : 'drop'}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <strong>Add audio</strong>
        <span>Choose files, or drop them here. MP3, WAV or M4A.</span>
        <input
          type="file"
          accept=".mp3,.wav,.m4a,audio/*"
          multiple
          aria-label="Choose audio files"
          onChange={(event) => {
            add(event.currentTarget.files ?? []);
            event.currentTarget.value = '';
          }}
        />
      </label>
      <p role="alert" className="message">
        {refused}
      </p>
      <ul className="uploads" aria-live="polite">
        {views.map((upload) => queue.current !== null && <Row key={upload.id} upload={upload} queue={queue.current} />)}
      </ul>
    </section>
  );
}

import { useState, type DragEvent } from 'react';
import { typeOf } from '../file-format.ts';
import type { MediaApi } from '../media-api.ts';
import { messageFor } from '../messages.ts';

type Upload = { name: string; share: number; state: 'running' | 'done' | 'failed'; message: string };

export function UploadBox({
  api,
  onUploaded,
  onError,
}: {
  api: MediaApi;
  onUploaded: () => void;
  onError: (error: unknown) => void;
}) {
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const [over, setOver] = useState(false);

  async function send(file: File): Promise<void> {
    const change = (part: Partial<Upload>): void =>
      setUploads((all) => all.map((one) => (one.name === file.name ? { ...one, ...part } : one)));
    setUploads((all) => [
      { name: file.name, share: 0, state: 'running', message: '' },
      ...all.filter((one) => one.name !== file.name),
    ]);
    const contentType = typeOf(file.name);
    if (contentType === null) return change({ state: 'failed', message: messageFor('TYPE_NOT_ALLOWED') });
    try {
      await api.upload(file, contentType, (share) => change({ share }));
      change({ share: 1, state: 'done', message: 'Uploaded' });
      onUploaded();
    } catch (error) {
      change({ state: 'failed', message: error instanceof Error ? error.message : 'Something went wrong.' });
      onError(error);
    }
  }
  function drop(event: DragEvent): void {
    event.preventDefault();
    setOver(false);
    for (const file of event.dataTransfer.files) void send(file);
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
            for (const file of event.currentTarget.files ?? []) void send(file);
            event.currentTarget.value = '';
          }}
        />
      </label>
      <ul className="uploads" aria-live="polite">
        {uploads.map((upload) => (
          <li key={upload.name} data-state={upload.state}>
            <span className="title">{upload.name}</span>
            <progress value={upload.share} max={1} aria-label={`Uploaded of ${upload.name}`} />
            <span className="share">
              {upload.state === 'running' ? `${Math.round(upload.share * 100)} %` : upload.message}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}

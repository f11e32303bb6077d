import { useEffect, useEffectEvent, useRef, useState } from 'react';
import { typeOf } from '../file-format.ts';
import { messageFor } from '../messages.ts';
import type { UploadQueue } from '../upload-queue.ts';
import { useUploads } from '../use-uploads.ts';
import { UploadRow } from './upload-row.tsx';

const carriesFiles = (event: DragEvent): boolean => event.dataTransfer?.types.includes('Files') === true;

/** Files dropped anywhere on the page: beside the box, the browser would leave the page to open them. */
function useFileDrop(onFiles: (files: FileList) => void): boolean {
  const [over, setOver] = useState(false);
  const take = useEffectEvent(onFiles);
  useEffect(() => {
    const drag = (event: DragEvent): void => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      setOver(false);
      if (event.dataTransfer !== null) take(event.dataTransfer.files);
    };
    addEventListener('dragover', drag);
    addEventListener('dragleave', leave);
    addEventListener('drop', drop);
    return () => {
      removeEventListener('dragover', drag);
      removeEventListener('dragleave', leave);
      removeEventListener('drop', drop);
    };
  }, []);
  return over;
}

export function UploadBox({ queue, onUploaded }: { queue: UploadQueue; onUploaded: () => void }) {
  const { uploads, now, said } = useUploads(queue);
  const [refused, setRefused] = useState<readonly string[]>([]);
  const input = useRef<HTMLInputElement | null>(null);

  function add(files: Iterable<File>): void {
    const chosen = [...files].map((file) => ({ file, contentType: typeOf(file.name) }));
    setRefused(chosen.filter(({ contentType }) => contentType === null).map(({ file }) => file.name));
    for (const { file, contentType } of chosen) if (contentType !== null) queue.add(file, contentType);
  }
  const over = useFileDrop(add);

  const arrived = uploads.list.filter(({ state }) => state === 'done').length;
  useEffect(() => {
    if (arrived > 0) onUploaded();
  }, [arrived, onUploaded]);

  return (
    <section aria-label="Upload">
      <label className={over ? 'drop over' : 'drop'}>
        <strong>Add audio</strong>
        <span>Choose files, or drop them anywhere here. MP3, WAV or M4A.</span>
        <span className="choose" aria-hidden="true">
          Choose files
        </span>
        <input
          ref={input}
          type="file"
          accept=".mp3,.wav,.m4a,audio/*"
          multiple
          aria-label="Choose audio files"
          onChange={(event) => {
            add(event.currentTarget.files ?? []);
            // The same file, chosen again, must count as a change.
            event.currentTarget.value = '';
          }}
        />
      </label>
      <p role="alert" className="message">
        {refused.length > 0 && `${refused.join(', ')}: ${messageFor('TYPE_NOT_ALLOWED')}`}
      </p>
      <p role="status" className="unseen">
        {said}
      </p>
      <ul className="uploads">
        {uploads.list.toReversed().map((upload) => (
          <UploadRow key={upload.id} upload={upload} queue={queue} now={now} onGone={() => input.current?.focus()} />
        ))}
      </ul>
    </section>
  );
}

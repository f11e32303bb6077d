import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import type { UploadQueue } from './upload-queue.ts';
import type { Uploads } from './upload-state.ts';
import { announcement, isUnderWay } from './upload-words.ts';

const TICK_MS = 1000;

/** The uploads as they are, and what to say of the last change to who does not see them. */
export function useUploads(queue: UploadQueue): { uploads: Uploads; now: number; said: string } {
  const uploads = useSyncExternalStore(queue.subscribe, queue.uploads);
  const before = useRef(uploads);
  const [said, setSaid] = useState('');
  useEffect(() => {
    const words = announcement(before.current, uploads);
    before.current = uploads;
    if (words !== '') setSaid(words);
  }, [uploads]);

  const underWay = isUnderWay(uploads);
  const [, tick] = useState(0);
  useEffect(() => {
    if (!underWay) return undefined;
    // A rate falls and a wait gets shorter also when nothing else happens.
    const timer = setInterval(() => tick((count) => count + 1), TICK_MS);
    const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
    addEventListener('beforeunload', warn);
    return () => {
      clearInterval(timer);
      removeEventListener('beforeunload', warn);
    };
  }, [underWay]);
  return { uploads, now: Date.now(), said };
}

/** Tells the queue of the network: uploads stop and go on by themselves. */
export function useNetwork(queue: UploadQueue | null): void {
  useEffect(() => {
    if (queue === null) return undefined;
    const tell = (): void => queue.setObstacle('offline', !navigator.onLine);
    tell();
    addEventListener('online', tell);
    addEventListener('offline', tell);
    return () => {
      removeEventListener('online', tell);
      removeEventListener('offline', tell);
    };
  }, [queue]);
}

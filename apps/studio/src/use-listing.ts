import { useCallback, useEffect, useRef, useState } from 'react';
import type { MediaItem } from './media-api.ts';

export interface Listing {
  /** `null` until it came for the first time. */
  readonly items: readonly MediaItem[] | null;
  /** The last try failed. */
  readonly failed: boolean;
  reload(): void;
}

/** A list of the API's, loaded at once, anew on `reload`, and when the network is back. */
export function useListing(load: () => Promise<readonly MediaItem[]>, onError: (error: unknown) => void): Listing {
  const [items, setItems] = useState<readonly MediaItem[] | null>(null);
  const [failed, setFailed] = useState(false);
  /** Answers may overtake each other: the newest question counts. */
  const asked = useRef(0);
  const reload = useCallback(() => {
    const mine = ++asked.current;
    setFailed(false);
    load().then(
      (found) => {
        if (mine === asked.current) setItems(found);
      },
      (error: unknown) => {
        if (mine !== asked.current) return;
        setFailed(true);
        onError(error);
      },
    );
  }, [load, onError]);
  useEffect(() => {
    reload();
    addEventListener('online', reload);
    return () => {
      asked.current++;
      removeEventListener('online', reload);
    };
  }, [reload]);
  return { items, failed, reload };
}

import { useCallback, useEffect, useRef, useState, type RefObject } from 'react';
import type { MediaApi } from './media-api.ts';
import { isRightlyRefused } from './messages.ts';
import { asStudioError, StudioError } from './studio-error.ts';
import { report } from './vitals.ts';

export interface Player {
  /** The key of what plays, or is about to. */
  readonly playing: string | null;
  /** Pressed, but not to be heard yet. */
  readonly waiting: boolean;
  readonly audio: RefObject<HTMLAudioElement | null>;
  toggle(key: string): Promise<void>;
}

const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === 'AbortError';

/** One audio element for all previews, so that two never sound at once. */
export function usePlayer(api: MediaApi, onError: (error: unknown) => void): Player {
  const audio = useRef<HTMLAudioElement | null>(null);
  /** Of the newest press; a press on another track ends the one before. */
  const press = useRef(new AbortController());
  const [playing, setShown] = useState<string | null>(null);
  /** The same, for what must not change its identity with it: a thousand rows would be drawn anew. */
  const current = useRef<string | null>(null);
  const setPlaying = useCallback((key: string | null) => {
    current.current = key;
    setShown(key);
  }, []);
  const [waiting, setWaiting] = useState(false);

  useEffect(() => {
    const element = document.createElement('audio');
    element.id = 'preview';
    element.preload = 'none';
    document.body.append(element);
    audio.current = element;
    element.addEventListener('ended', () => setPlaying(null));
    element.addEventListener('waiting', () => setWaiting(true));
    element.addEventListener('playing', () => setWaiting(false));
    return () => {
      press.current.abort();
      element.pause();
      element.remove();
    };
  }, [setPlaying]);

  const toggle = useCallback(
    async (key: string) => {
      const element = audio.current;
      if (element === null) return;
      press.current.abort();
      element.pause();
      if (current.current === key) {
        setPlaying(null);
        return;
      }
      const mine = new AbortController();
      press.current = mine;
      const { signal } = mine;
      const pressed = performance.now();
      setPlaying(key);
      setWaiting(true);
      try {
        const url = await api.playUrl(key);
        if (signal.aborted) return;
        const sound = (): void => report('preview-start', performance.now() - pressed);
        element.addEventListener('playing', sound, { once: true, signal });
        element.src = url;
        await element.play();
        // It may still break off later: the link ends, or the network does.
        const breakOff = (): void => {
          setPlaying(null);
          onError(new StudioError('PLAYBACK_FAILED'));
        };
        element.addEventListener('error', breakOff, { once: true, signal });
      } catch (thrown) {
        if (signal.aborted || isAbort(thrown)) return;
        const error = asStudioError(thrown);
        setPlaying(null);
        if (!isRightlyRefused(error.code)) report('preview-start', performance.now() - pressed, false);
        onError(error);
      }
    },
    [api, onError, setPlaying],
  );
  return { playing, waiting: waiting && playing !== null, audio, toggle };
}

import { useCallback, useEffect, useRef, useState } from 'react';
import { report } from './vitals.ts';
import type { MediaApi } from './media-api.ts';

export interface Player {
  readonly playing: string | null;
  /** Between 0 and 1. */
  readonly progress: number;
  toggle(key: string): Promise<void>;
}

/** One audio element for all previews, so that two never sound at once. */
export function usePlayer(api: MediaApi, onError: (error: unknown) => void): Player {
  const audio = useRef<HTMLAudioElement | null>(null);
  const [playing, setPlaying] = useState<string | null>(null);
  const [progress, setProgress] = useState(0);

  useEffect(() => {
    const element = document.createElement('audio');
    element.id = 'preview';
    element.preload = 'none';
    document.body.append(element);
    audio.current = element;
    element.addEventListener('timeupdate', () =>
      setProgress(element.duration > 0 ? element.currentTime / element.duration : 0),
    );
    element.addEventListener('ended', () => setPlaying(null));
    return () => {
      element.pause();
      element.remove();
    };
  }, []);

  const toggle = useCallback(
    async (key: string) => {
      const element = audio.current;
      if (element === null) return;
      if (playing === key) {
        element.pause();
        setPlaying(null);
        return;
      }
      try {
        const clicked = performance.now();
        setPlaying(key);
        setProgress(0);
        element.src = await api.playUrl(key);
        await element.play();
        report('preview-start', performance.now() - clicked);
      } catch (error) {
        // A click on another track interrupts this one: that is no trouble.
        if (error instanceof DOMException && error.name === 'AbortError') return;
        setPlaying(null);
        report('preview-start', 0, false);
        onError(error);
      }
    },
    [api, onError, playing],
  );
  return { playing, progress, toggle };
}

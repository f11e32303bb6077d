import { useEffect, useState } from 'react';
import type { Player } from '../use-player.ts';

/** How far the preview is. It listens for itself: four times a second nothing else need be drawn. */
export function PlayedBar({ audio, title }: { audio: Player['audio']; title: string }) {
  const [share, setShare] = useState(0);
  useEffect(() => {
    const element = audio.current;
    if (element === null) return undefined;
    const note = (): void => setShare(element.duration > 0 ? element.currentTime / element.duration : 0);
    element.addEventListener('timeupdate', note);
    return () => element.removeEventListener('timeupdate', note);
  }, [audio]);
  return <progress value={share} max={1} aria-label={`Played of ${title}`} />;
}

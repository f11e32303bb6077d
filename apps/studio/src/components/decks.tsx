import { useState } from 'react';
import { carriesTrack, readTrack, type DeckTrack } from '../deck-payload.ts';
import type { Player } from '../use-player.ts';
import { Icon } from './icon.tsx';

export const DECKS = ['A', 'B'] as const;
export type DeckName = (typeof DECKS)[number];
export type LoadedDecks = Readonly<Record<DeckName, DeckTrack | null>>;

/** Two decks to drop tracks on. The lists have buttons that do the same, for touch and keyboard. */
export function Decks({
  loaded,
  onLoad,
  player,
}: {
  loaded: LoadedDecks;
  onLoad: (deck: DeckName, track: DeckTrack) => void;
  player: Player;
}) {
  return (
    <div className="decks">
      {DECKS.map((name) => (
        <Deck key={name} name={name} track={loaded[name]} onLoad={(track) => onLoad(name, track)} player={player} />
      ))}
    </div>
  );
}

function Deck({
  name,
  track,
  onLoad,
  player,
}: {
  name: DeckName;
  track: DeckTrack | null;
  onLoad: (track: DeckTrack) => void;
  player: Player;
}) {
  const [over, setOver] = useState(false);
  const active = track !== null && player.playing === track.fileKey;
  return (
    <section
      aria-label={`Deck ${name}`}
      className={`deck${track === null ? '' : ' loaded'}${over ? ' over' : ''}`}
      onDragOver={(event) => {
        if (!carriesTrack(event.dataTransfer)) return;
        event.preventDefault();
        event.dataTransfer.dropEffect = 'copy';
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={(event) => {
        setOver(false);
        const dropped = readTrack(event.dataTransfer);
        if (dropped === null) return;
        event.preventDefault();
        onLoad(dropped);
      }}
    >
      <h2>Deck {name}</h2>
      <p className={track === null ? 'quiet' : 'title'} aria-live="polite">
        {track?.title ?? 'Drop a track here, or choose one from a list.'}
      </p>
      {track !== null && (
        <button
          type="button"
          className="play"
          aria-pressed={active}
          aria-busy={active && player.waiting}
          aria-label={`${active ? 'Stop' : 'Play'} deck ${name}`}
          onClick={() => void player.toggle(track.fileKey)}
        >
          <Icon name={active ? 'stop' : 'play'} />
        </button>
      )}
    </section>
  );
}

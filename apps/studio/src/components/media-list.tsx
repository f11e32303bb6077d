import { memo } from 'react';
import { formatBytes } from '../file-format.ts';
import type { MediaItem } from '../media-api.ts';
import { writeTrack, type DeckTrack } from '../deck-payload.ts';
import type { Listing } from '../use-listing.ts';
import type { Player } from '../use-player.ts';
import { DECKS, type DeckName } from './decks.tsx';
import { Icon } from './icon.tsx';
import { PlayedBar } from './played-bar.tsx';

export function MediaList({
  title,
  listing: { items, failed, reload },
  empty,
  player,
  onLoad,
}: {
  title: string;
  listing: Listing;
  empty: string;
  player: Player;
  onLoad: (deck: DeckName, track: DeckTrack) => void;
}) {
  return (
    <section aria-label={title} aria-busy={items === null && !failed}>
      <h2>
        {title} {items !== null && <span className="count">{items.length}</span>}
      </h2>
      {items === null && !failed && <p className="quiet">Loading …</p>}
      {items === null && failed && (
        <p className="quiet">
          This list could not be loaded.{' '}
          <button type="button" onClick={reload}>
            Try again
          </button>
        </p>
      )}
      {items?.length === 0 && <p className="quiet">{empty}</p>}
      <ul className="media">
        {items?.map((item) => (
          <Track
            key={item.id}
            item={item}
            active={player.playing === item.key}
            waiting={player.playing === item.key && player.waiting}
            audio={player.audio}
            toggle={player.toggle}
            onLoad={onLoad}
          />
        ))}
      </ul>
    </section>
  );
}

/** Drawn anew only when it changes itself: libraries are long. */
const Track = memo(function Track({
  item,
  active,
  waiting,
  audio,
  toggle,
  onLoad,
}: {
  item: MediaItem;
  active: boolean;
  waiting: boolean;
  audio: Player['audio'];
  toggle: Player['toggle'];
  onLoad: (deck: DeckName, track: DeckTrack) => void;
}) {
  const track = { fileKey: item.key, title: item.title };
  return (
    <li
      data-key={item.key}
      className={active ? 'active' : ''}
      draggable
      onDragStart={(event) => writeTrack(event.dataTransfer, track)}
    >
      <button
        type="button"
        className="play"
        aria-pressed={active}
        aria-busy={waiting}
        aria-label={`${active ? 'Stop' : 'Play'} ${item.title}`}
        onClick={() => void toggle(item.key)}
      >
        <Icon name={active ? 'stop' : 'play'} />
      </button>
      <span className="title">{item.title}</span>
      {item.isProOnly && <span className="tier">Pro</span>}
      <span className="size">{item.sizeBytes === null ? '' : formatBytes(item.sizeBytes)}</span>
      <span className="to-deck">
        {DECKS.map((deck) => (
          <button
            key={deck}
            type="button"
            aria-label={`Put ${item.title} on deck ${deck}`}
            onClick={() => onLoad(deck, track)}
          >
            {deck}
          </button>
        ))}
      </span>
      {active && <PlayedBar audio={audio} title={item.title} />}
    </li>
  );
});

import { formatBytes } from '../file-format.ts';
import type { MediaItem } from '../media-api.ts';
import { writeTrack, type DeckTrack } from '../deck-payload.ts';
import type { Player } from '../use-player.ts';
import { DECKS, type DeckName } from './decks.tsx';

export function MediaList({
  title,
  items,
  empty,
  player,
  onLoad,
}: {
  title: string;
  items: readonly MediaItem[] | null;
  empty: string;
  player: Player;
  onLoad: (deck: DeckName, track: DeckTrack) => void;
}) {
  return (
    <section aria-label={title}>
      <h2>
        {title} {items !== null && <span className="count">{items.length}</span>}
      </h2>
      {items === null && <p className="quiet">Loading …</p>}
      {items?.length === 0 && <p className="quiet">{empty}</p>}
      <ul className="media">
        {items?.map((item) => {
          const active = player.playing === item.key;
          const track = { fileKey: item.key, title: item.title };
          return (
            <li
              key={item.id}
              data-key={item.key}
              className={active ? 'active' : ''}
              draggable
              onDragStart={(event) => writeTrack(event.dataTransfer, track)}
            >
              <button
                type="button"
                className="play"
                aria-pressed={active}
                aria-label={`${active ? 'Stop' : 'Play'} ${item.title}`}
                onClick={() => void player.toggle(item.key)}
              >
                <span aria-hidden="true">{active ? '■' : '▶'}</span>
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
              {active && <progress value={player.progress} max={1} aria-label={`Played of ${item.title}`} />}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

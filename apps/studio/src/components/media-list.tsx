import { formatBytes } from '../file-format.ts';
import type { MediaItem } from '../media-api.ts';
import type { Player } from '../use-player.ts';

export function MediaList({
  title,
  items,
  empty,
  player,
}: {
  title: string;
  items: readonly MediaItem[] | null;
  empty: string;
  player: Player;
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
          return (
            <li key={item.id} data-key={item.key} className={active ? 'active' : ''}>
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
              {active && <progress value={player.progress} max={1} aria-label={`Played of ${item.title}`} />}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

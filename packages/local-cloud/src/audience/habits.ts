import type { Random } from './seeded-random.ts';
import type { Track } from './surroundings.ts';

export type Tier = 'free' | 'pro' | 'enterprise';

/**
 * What one listener keeps playing, and how much they upload: within the limits of their tier, as real ones are who
 * have a handful of tracks on their mind. Links of the same tracks are asked for again and again.
 */
export const HABITS: Readonly<Record<Tier, { tracks: number; small: number; uploads: number; replayed: number }>> = {
  free: { tracks: 1, small: 1, uploads: 1, replayed: 1 },
  pro: { tracks: 5, small: 2, uploads: 20, replayed: 2 },
  enterprise: { tracks: 30, small: 10, uploads: 400, replayed: 12 },
};

function shuffled<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

/** The tracks of one listener, and those of at most `wholeBytes` that they now and then read whole. */
export function playlistOf(
  tier: Tier,
  tracks: readonly Track[],
  wholeBytes: number,
  random: Random,
): { small: readonly Track[]; playlist: readonly Track[] } {
  const { tracks: most, small: fewest } = HABITS[tier];
  const playable = shuffled(
    tracks.filter((track) => !track.isProOnly || tier !== 'free'),
    random,
  );
  const small = playable.filter((track) => track.sizeBytes <= wholeBytes).slice(0, fewest);
  return { small, playlist: [...small, ...playable.filter((track) => !small.includes(track)).slice(0, most - fewest)] };
}

import { makeMp3, makeWav, seededRandom, sha256 } from './audio-files.ts';

export interface PlannedMedia {
  readonly kind: 'track' | 'upload';
  readonly key: string;
  readonly title: string;
  readonly contentType: 'audio/wav' | 'audio/mpeg';
  readonly isProOnly: boolean;
  /** Owner of an upload, by place in the list of users. */
  readonly user: number;
  readonly bytes: Buffer;
  readonly sha256: string;
}

const KIB = 1024;
const MIB = 1024 * KIB;
const SEED = 20_261_123;
const SMALLEST = 20 * KIB;
const LARGEST = 8 * MIB;
/** Beyond the part size, so that multipart runs. */
const ONE_LARGE = 66 * MIB;

function uuidOf(random: () => number): string {
  const hex = Array.from({ length: 32 }, () => Math.floor(random() * 16).toString(16));
  hex[12] = '4';
  hex[16] = '8';
  const text = hex.join('');
  return [text.slice(0, 8), text.slice(8, 12), text.slice(12, 16), text.slice(16, 20), text.slice(20)].join('-');
}

const MOODS = ['Amber', 'Blue', 'Cobalt', 'Dusty', 'Electric', 'Faded', 'Golden', 'Hollow', 'Iron', 'Late'];
const THINGS = ['Avenue', 'Bassline', 'Chorus', 'Drift', 'Echo', 'Ferry', 'Groove', 'Harbour', 'Interlude', 'Junction'];

/**
 * The legacy app's media, file after file: playable, unlike each other, the same on every machine. Sizes are many
 * small and few large, from 20 KiB to 8 MiB, and one of 66 MiB. Held one at a time.
 */
export function* plannedMedia(options: {
  tracks: number;
  uploads: number;
  users: readonly string[];
  large: boolean;
  largest?: number;
}): Generator<PlannedMedia> {
  const random = seededRandom(SEED);
  const most = options.largest ?? LARGEST;
  for (let index = 0; index < options.tracks + options.uploads; index++) {
    const kind = index < options.tracks ? 'track' : 'upload';
    const title = `${MOODS[index % MOODS.length]} ${THINGS[Math.floor(index / MOODS.length) % THINGS.length]} ${index + 1}`;
    // The first and the second are the extremes; between them the size is skewed to the small side.
    const skewed = Math.exp(Math.log(SMALLEST) + random() ** 2 * (Math.log(most) - Math.log(SMALLEST)));
    const size = options.large && index === 0 ? ONE_LARGE : index === 1 ? most : index === 2 ? SMALLEST : skewed;
    const isWav = index === 0 || random() < 0.55;
    const bytes = isWav ? makeWav(size, random) : makeMp3(size, title);
    const hash = sha256(bytes);
    const extension = isWav ? 'wav' : 'mp3';
    const id = uuidOf(random);
    const user = index % options.users.length;
    const slug = title.toLowerCase().replaceAll(' ', '-');
    yield {
      kind,
      title,
      key:
        kind === 'track'
          ? `library/originals/${id}-${hash.slice(0, 8)}.${extension}`
          : `users/${options.users[user]}/uploads/${id}-${slug}.${extension}`,
      contentType: isWav ? 'audio/wav' : 'audio/mpeg',
      isProOnly: kind === 'track' && index % 10 === 9,
      user,
      bytes,
      sha256: hash,
    };
  }
}

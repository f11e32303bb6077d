import { HABITS, playlistOf } from './habits.ts';
import { createListening } from './listening.ts';
import { createPhone, Failed, unplanted } from './phone.ts';
import { pick, type Random } from './seeded-random.ts';
import type { DeviceUser, Surroundings } from './surroundings.ts';
import { createWriting } from './writing.ts';
import type { WriteKind } from './write-record.ts';

/** Files up to this size are now and then read whole and their bytes compared. */
const WHOLE_BYTES = 256 * 1024;
/** What a listener uploads now and then, and what an uploader who does nothing else sends, bytes. */
const UPLOAD = { least: 20_000, more: 100_000 };
const SMALL = { least: 2048, more: 6144 };

const sizeFrom = ({ least, more }: typeof UPLOAD, random: Random): number => least + Math.floor(random() * more);

/** One listener: plays, uploads and reads back on whichever side serves. */
export function createDevice(user: DeviceUser, world: Surroundings, choose: Random) {
  const phone = createPhone(user, world);
  const { read } = createListening(phone, world);
  const writing = createWriting(phone, world);
  const { uploads: mostUploads, replayed } = HABITS[user.tier];
  const { small, playlist } = playlistOf(user.tier, world.tracks, WHOLE_BYTES, choose);

  /** What was not foreseen is a failed request too. */
  async function acting(intended: number, act: () => Promise<unknown>): Promise<void> {
    try {
      await act();
    } catch (error) {
      if (error instanceof Failed) return;
      const reason = `before the request: ${error instanceof Error ? error.message : String(error)}`;
      world.count('legacy', performance.now() - intended, unplanted(reason));
    }
  }
  const listen = async (intended: number, random: Random): Promise<void> => {
    const whole = random() > 0.85;
    const track = pick(whole ? small : playlist, random);
    if (track !== undefined) await read(track, whole, intended, random);
  };

  return {
    /** One arrival; `intended` is its time by `performance.now()`. */
    act: (intended: number, random: Random): Promise<void> =>
      acting(intended, async () => {
        const chance = random();
        if (chance < 0.04 && writing.made() < mostUploads)
          return writing.upload(sizeFrom(UPLOAD, random), intended, random);
        if (chance < 0.07 && (await writing.readBack(replayed, random, (file) => read(file, true, intended, random))))
          return undefined;
        return listen(intended, random);
      }),
    /** One arrival of an uploader. Without a file to overwrite or delete, or beyond the day's uploads, it listens. */
    write: (kind: WriteKind, intended: number, random: Random): Promise<void> =>
      acting(intended, async () => {
        const size = sizeFrom(SMALL, random);
        const may = writing.made() < mostUploads;
        if (kind === 'upload' && may) return writing.upload(size, intended, random);
        if (kind === 'overwrite' && may && (await writing.overwrite(size, intended, random))) return undefined;
        if (kind === 'delete' && (await writing.remove(intended, random))) return undefined;
        return listen(intended, random);
      }),
  };
}

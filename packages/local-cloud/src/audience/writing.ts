import { sha256Of, type Readable } from './listening.ts';
import { Failed, unplanted, type Answer, type Phone, type Place } from './phone.ts';
import { bytesFrom, pick, uuidFrom, type Random } from './seeded-random.ts';
import type { Surroundings } from './surroundings.ts';
import type { WriteKind } from './write-record.ts';

const FILENAME = 'from the audience.wav';
const CONTENT_TYPE = 'audio/wav';
const JSON_TYPE = { 'content-type': 'application/json' };

/** An upload of this listener's that stands, as far as they were told. */
interface OwnFile {
  readonly key: string;
  sizeBytes: number;
  sha256: string;
  /** Somebody reads or writes it: one thing at a time, so that the order of what happens to a key is known. */
  busy: boolean;
}

/** Uploading, overwriting and deleting files of one's own, on whichever side serves. */
export function createWriting(phone: Phone, world: Surroundings) {
  let own: OwnFile[] = [];
  let made = 0;

  const signed = async (): Promise<Record<string, string>> => ({ authorization: `Bearer ${await phone.token()}` });
  const objectUrl = (key: string): string =>
    `${world.mediaOrigin}/storage/v1/object/${world.supabase.bucket}/${encodeURI(key)}`;

  /** Its answer decides what the uploader knows. What is not certain stays open, and the key is left alone from then on. */
  async function recorded(
    write: { key: string; kind: WriteKind; sha256: string | null },
    { side }: Place,
    act: () => Promise<unknown>,
  ): Promise<void> {
    const end = world.record.begin({ ...write, side });
    try {
      await act();
      end('succeeded');
    } catch (error) {
      end(error instanceof Failed && error.refused ? 'refused' : 'unknown');
      throw error;
    }
  }

  /** The Worker's way: a link, then the bytes. */
  async function sendToEdge(place: Place, bytes: Buffer, replaces: string | null, intended: number): Promise<string> {
    const asked = { filename: FILENAME, contentType: CONTENT_TYPE, sizeBytes: bytes.byteLength };
    const answer = await phone.counted('POST sign-upload', place, intended, `${world.mediaOrigin}/api/sign-upload`, {
      method: 'POST',
      headers: { ...(await signed()), ...JSON_TYPE },
      body: JSON.stringify(replaces === null ? asked : { ...asked, replaces }),
      expect: [200],
    });
    const link = JSON.parse(answer.body.toString('utf8')) as { key: string; url: string };
    // What was asked for counts, whatever key the answer names.
    const key = replaces ?? link.key;
    const kind = replaces === null ? 'upload' : 'overwrite';
    await recorded({ key, kind, sha256: sha256Of(bytes) }, place, () =>
      phone.counted('PUT media', place, intended, link.url, {
        method: 'PUT',
        headers: { 'content-type': CONTENT_TYPE },
        body: bytes,
        expect: [201],
      }),
    );
    return key;
  }

  /** The old front end's way: the object, then its row, which it writes in the project itself. */
  async function sendToLegacy(
    place: Place,
    bytes: Buffer,
    { key, replaces }: { key: string; replaces: boolean },
    intended: number,
  ): Promise<void> {
    const kind = replaces ? 'overwrite' : 'upload';
    await recorded({ key, kind, sha256: sha256Of(bytes) }, place, async () => {
      await phone.counted(replaces ? 'PUT object' : 'POST object', place, intended, objectUrl(key), {
        method: replaces ? 'PUT' : 'POST',
        headers: { ...(await signed()), 'content-type': CONTENT_TYPE },
        body: bytes,
        expect: [200],
      });
      if (!replaces)
        await row('POST', intended, 201, {
          user_id: phone.user.id,
          file_url: phone.publicUrl(key),
          title: 'from the audience',
          content_type: CONTENT_TYPE,
          size_bytes: bytes.byteLength,
        });
    });
  }

  /** @throws Failed never as a refusal: the object was written or removed before. */
  async function row(
    method: 'POST' | 'DELETE',
    intended: number,
    expected: number,
    body: unknown,
    filter = '',
  ): Promise<void> {
    const response = await fetch(`${world.supabase.url}/rest/v1/uploads${filter}`, {
      method,
      headers: { apikey: world.supabase.anonKey, ...(await signed()), ...JSON_TYPE },
      ...(body === null ? {} : { body: JSON.stringify(body) }),
    });
    const right = response.status === expected;
    const reason = `${method} row ${response.status} legacy`;
    world.count('legacy', performance.now() - intended, right ? null : unplanted(reason));
    if (!right) throw new Failed(reason, false);
  }

  async function removeAt(place: Place, key: string, intended: number): Promise<Answer | void> {
    if (place.side === 'edge')
      return phone.counted('POST delete-file', place, intended, `${world.mediaOrigin}/api/delete-file`, {
        method: 'POST',
        headers: { ...(await signed()), ...JSON_TYPE },
        body: JSON.stringify({ key }),
        expect: [200],
      });
    await phone.counted('DELETE object', place, intended, objectUrl(key), {
      method: 'DELETE',
      headers: await signed(),
      expect: [200],
    });
    await row('DELETE', intended, 204, null, `?file_url=eq.${encodeURIComponent(phone.publicUrl(key))}`);
  }

  /** A file that nobody is at, taken for this; `undefined` when there is none. */
  function take(random: Random, among = own.length): OwnFile | undefined {
    const file = pick(
      own.slice(0, among).filter((one) => !one.busy),
      random,
    );
    if (file !== undefined) file.busy = true;
    return file;
  }

  const forget = (file: OwnFile): void => void (own = own.filter((one) => one !== file));

  /** What may stand under a key after a failure is for nobody to go on with. */
  async function whole(file: OwnFile, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      forget(file);
      throw error;
    }
  }

  return {
    /** Uploads and overwrites that were begun: each counts against the day's limit. */
    made: () => made,
    /** @throws Failed */
    async upload(size: number, intended: number, random: Random): Promise<void> {
      made++;
      const place = await phone.place(intended);
      const bytes = bytesFrom(random, size);
      let key = `users/${phone.user.id}/uploads/${uuidFrom(random)}-from-the-audience.wav`;
      if (place.side === 'edge') {
        key = await sendToEdge(place, bytes, null, intended);
        phone.tell(place, 'upload', performance.now() - intended, random);
      } else await sendToLegacy(place, bytes, { key, replaces: false }, intended);
      own.push({ key, sha256: sha256Of(bytes), sizeBytes: bytes.byteLength, busy: false });
    },
    /** `false` when there is no file to overwrite. @throws Failed */
    async overwrite(size: number, intended: number, random: Random): Promise<boolean> {
      const file = take(random);
      if (file === undefined) return false;
      made++;
      const bytes = bytesFrom(random, size);
      await whole(file, async () => {
        const place = await phone.place(intended);
        if (place.side === 'edge') await sendToEdge(place, bytes, file.key, intended);
        else await sendToLegacy(place, bytes, { key: file.key, replaces: true }, intended);
      });
      Object.assign(file, { sha256: sha256Of(bytes), sizeBytes: bytes.byteLength, busy: false });
      return true;
    },
    /** `false` when there is no file to delete. @throws Failed */
    async remove(intended: number, random: Random): Promise<boolean> {
      const file = take(random);
      if (file === undefined) return false;
      await whole(file, async () => {
        const place = await phone.place(intended);
        await recorded({ key: file.key, kind: 'delete', sha256: null }, place, () =>
          removeAt(place, file.key, intended),
        );
      });
      forget(file);
      return true;
    },
    /** Reads one of the first `among` files back; `false` when there is none. */
    async readBack(among: number, random: Random, read: (file: Readable) => Promise<void>): Promise<boolean> {
      const file = take(random, among);
      if (file === undefined) return false;
      await read(file).finally(() => (file.busy = false));
      return true;
    },
  };
}

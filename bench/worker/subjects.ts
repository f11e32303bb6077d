import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { deployWorker } from '../../apps/media-worker/test/deployed-worker.ts';

/** Objects by their size, bytes: every subject serves the same ones. */
export type Objects = ReadonlyMap<number, Uint8Array>;

export interface Subject {
  readonly name: string;
  /** Whether the goal is about it. */
  readonly judged: boolean;
  /** Where it serves the object of so many bytes. */
  url(bytes: number): string;
}
/** What serves one or more subjects. */
export interface Server {
  readonly subjects: readonly Subject[];
  close(): Promise<void>;
}

/** Links are signed once, before the first round, and must hold until the last: a day. */
const LINK_SECONDS = '86400';

/** Only `get()` and the stream that it gives. */
const BARE_SCRIPT = `export default {
  async fetch(request, env) {
    const object = await env.MEDIA.get(new URL(request.url).pathname.slice(1));
    return object === null ? new Response(null, { status: 404 }) : new Response(object.body);
  },
};`;

/** The least that any Worker over R2 has to do, on the same runtime and by the same way in as the media Worker. */
export async function startBareWorker(objects: Objects): Promise<Server> {
  const mf = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      log: new Log(LogLevel.NONE),
      telemetry: { enabled: false },
      cf: false,
      workers: [
        {
          name: 'bare',
          modules: true,
          compatibilityDate: '2026-07-01',
          compatibilityFlags: ['nodejs_compat'],
          r2Buckets: { MEDIA: { id: 'media' } },
          script: BARE_SCRIPT,
        },
      ],
    }),
  );
  const address = await mf.ready;
  const bucket = await mf.getR2Bucket('MEDIA', 'bare');
  for (const [bytes, content] of objects) await bucket.put(`object-${bytes}`, content);
  const url = (bytes: number): string => new URL(`/object-${bytes}`, address).href;
  return { subjects: [{ name: 'bare Worker', judged: false, url }], close: () => mf.dispose() };
}

/** The media Worker by signed links: a user's own file, which only R2 serves, and one of the library. */
export async function startMediaWorker(objects: Objects): Promise<Server> {
  const worker = await deployWorker({ legacy: false, vars: { SIGNED_URL_SECONDS: LINK_SECONDS } });
  const userId = worker.users.pro;
  const kinds = [
    { name: 'media Worker, own file', keyOf: (bytes: number) => `users/${userId}/uploads/object-${bytes}.wav` },
    { name: 'media Worker, library', keyOf: (bytes: number) => `library/originals/object-${bytes}.wav` },
  ];
  const serve = async ({ name, keyOf }: (typeof kinds)[number]): Promise<Subject> => {
    const urls = new Map<number, string>();
    for (const [bytes, content] of objects) {
      const key = keyOf(bytes);
      if (key.startsWith('library/'))
        await worker.query('insert into library_tracks (title, file_key) values ($1, $2)', [key, key]);
      await worker.putR2(key, content);
      const { pathname, search } = new URL(await worker.sign(userId, key));
      urls.set(bytes, new URL(`${pathname}${search}`, worker.address).href);
    }
    return { name, judged: true, url: (bytes) => urls.get(bytes) ?? '' };
  };
  try {
    const subjects: Subject[] = [];
    for (const kind of kinds) subjects.push(await serve(kind));
    return { subjects, close: () => worker.close() };
  } catch (error) {
    await worker.close();
    throw error;
  }
}

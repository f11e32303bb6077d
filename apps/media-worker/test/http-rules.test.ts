import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deployWorker, type DeployedWorker } from './deployed-worker.ts';

/*
 * What RFC 9110 (semantics) and RFC 9111 (caching) say about ranges and conditions, row by row, asked of the Worker in
 * workerd: of an immutable library object (strong tag, kept at the edge) and of a user's own (weak tag). Where the RFC
 * leaves no choice, Supabase Storage is asked the same and must have answered alike.
 */
const SIZE = 1000;
const bytes = Uint8Array.from({ length: SIZE }, (_, index) => index % 251);
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT';
const PAST = 'Thu, 01 Jan 2015 00:00:00 GMT';

let worker: DeployedWorker;
/** Where each object is read, and its entity tag. */
const places = new Map<string, { url: string; etag: string; modified: string }>();

beforeAll(async () => {
  worker = await deployWorker({ legacy: true });
  await worker.query(`insert into library_tracks (title, file_key) values ('One', 'library/originals/one.wav')`);
  await worker.putR2('library/originals/one.wav', bytes);
  const own = await worker.upload(worker.users.pro, bytes);
  await worker.putLegacy('library/originals/one.wav', bytes);
  const learn = async (name: string, url: string): Promise<void> => {
    // A file that may be overwritten tells its date once the second in which it was written is over.
    const head = await vi.waitUntil(
      async () => {
        const answer = await ask(name, url, { method: 'HEAD' });
        return answer.headers.has('last-modified') ? answer.headers : null;
      },
      { timeout: 5000 },
    );
    places.set(name, { url, etag: head.get('etag') ?? '', modified: head.get('last-modified') ?? '' });
  };
  await learn('library', await worker.sign(worker.users.pro, 'library/originals/one.wav'));
  await learn('own', await worker.sign(worker.users.pro, own));
  await learn('supabase', worker.legacyUrl('library/originals/one.wav'));
});
afterAll(() => worker.close());

const ask = (name: string, url: string, init: RequestInit): Promise<Response> =>
  name === 'supabase' ? fetch(url, init) : worker.ask(url, init);

interface Row {
  readonly rule: string;
  readonly method?: 'GET' | 'HEAD';
  /** `$etag`, `$weak`, `$strong` and `$modified` stand for the object's own. */
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
  /** For a weak tag, where that makes a difference. */
  readonly weakStatus?: number;
  readonly range?: readonly [first: number, last: number];
  /** The RFC leaves a choice, which Supabase may have made otherwise. */
  readonly choice?: boolean;
  /** Supabase Storage tells its errors as 400 and the status in the body. */
  readonly supabaseStatus?: number;
}

const ROWS: readonly Row[] = [
  { rule: '§9.3.1 a GET without conditions is the whole', headers: {}, status: 200 },
  { rule: '§9.3.2 a HEAD has no body', method: 'HEAD', headers: {}, status: 200 },
  { rule: '§14.2 a range', headers: { range: 'bytes=0-9' }, status: 206, range: [0, 9] },
  { rule: '§14.1.2 a range to the end', headers: { range: 'bytes=990-' }, status: 206, range: [990, 999] },
  { rule: '§14.1.2 a suffix', headers: { range: 'bytes=-10' }, status: 206, range: [990, 999] },
  {
    rule: '§14.1.2 a last byte beyond the end is the end',
    headers: { range: 'bytes=990-9999' },
    status: 206,
    range: [990, 999],
  },
  {
    rule: '§14.1.2 a suffix longer than the object is the whole object',
    headers: { range: 'bytes=-5000' },
    status: 206,
    range: [0, 999],
  },
  {
    rule: '§14.1.2 a first byte beyond the end cannot be satisfied',
    headers: { range: 'bytes=1000-' },
    status: 416,
    supabaseStatus: 400,
  },
  {
    rule: '§14.1.2 a suffix of nothing cannot be satisfied',
    headers: { range: 'bytes=-0' },
    status: 416,
    choice: true,
  },
  {
    rule: '§14.1.1 a unit that is not understood is ignored',
    headers: { range: 'items=0-9' },
    status: 200,
    choice: true,
  },
  {
    rule: '§14.1.1 a range that ends before it begins is ignored',
    headers: { range: 'bytes=9-0' },
    status: 200,
    choice: true,
  },
  { rule: '§14.2 a HEAD ignores Range', method: 'HEAD', headers: { range: 'bytes=0-9' }, status: 200, choice: true },
  { rule: '§13.1.2 If-None-Match of the same tag', headers: { 'if-none-match': '$etag' }, status: 304 },
  { rule: '§13.1.2 If-None-Match compares weakly', headers: { 'if-none-match': '$weak' }, status: 304, choice: true },
  { rule: '§13.1.2 If-None-Match of several', headers: { 'if-none-match': '"x", $etag' }, status: 304, choice: true },
  { rule: '§13.1.2 If-None-Match: *', headers: { 'if-none-match': '*' }, status: 304, choice: true },
  { rule: '§13.1.2 If-None-Match of another tag', headers: { 'if-none-match': '"x"' }, status: 200 },
  {
    rule: '§13.1.3 If-Modified-Since of the same second',
    headers: { 'if-modified-since': '$modified' },
    status: 304,
    choice: true,
  },
  { rule: '§13.1.3 If-Modified-Since of long ago', headers: { 'if-modified-since': PAST }, status: 200 },
  { rule: '§13.1.3 a date that is none is ignored', headers: { 'if-modified-since': 'yesterday' }, status: 200 },
  {
    rule: '§13.1.3 and so is what looks like one',
    headers: { 'if-modified-since': '2030', 'if-unmodified-since': '0' },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.1.5 If-Range of a date in another form is the whole',
    headers: { range: 'bytes=0-9', 'if-range': '2030-01-01T00:00:00Z' },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.1.3 If-None-Match goes before If-Modified-Since',
    headers: { 'if-none-match': '"x"', 'if-modified-since': FUTURE },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.1.1 If-Match of the same strong tag',
    headers: { 'if-match': '$strong' },
    status: 200,
    weakStatus: 412,
    choice: true,
  },
  { rule: '§13.1.1 If-Match never matches a weak tag', headers: { 'if-match': '$weak' }, status: 412, choice: true },
  { rule: '§13.1.1 If-Match of another tag', headers: { 'if-match': '"x"' }, status: 412, choice: true },
  { rule: '§13.1.1 If-Match: *', headers: { 'if-match': '*' }, status: 200, choice: true },
  {
    rule: '§13.1.4 If-Unmodified-Since of long ago',
    headers: { 'if-unmodified-since': PAST },
    status: 412,
    choice: true,
  },
  {
    rule: '§13.1.4 If-Unmodified-Since of the same second',
    headers: { 'if-unmodified-since': '$modified' },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.1.5 If-Range of the same strong tag',
    headers: { range: 'bytes=0-9', 'if-range': '$strong' },
    status: 206,
    weakStatus: 200,
    range: [0, 9],
    choice: true,
  },
  {
    rule: '§13.1.5 If-Range of another tag is the whole',
    headers: { range: 'bytes=0-9', 'if-range': '"x"' },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.1.5 If-Range of the exact date',
    headers: { range: 'bytes=0-9', 'if-range': '$modified' },
    status: 206,
    range: [0, 9],
    choice: true,
  },
  {
    rule: '§13.1.5 If-Range of another date is the whole',
    headers: { range: 'bytes=0-9', 'if-range': PAST },
    status: 200,
    choice: true,
  },
  {
    rule: '§13.2.2 a condition that ends it comes before the range',
    headers: { range: 'bytes=0-9', 'if-none-match': '$etag' },
    status: 304,
    choice: true,
  },
  {
    rule: '§13.2.2 and before one that cannot be satisfied',
    headers: { range: 'bytes=5000-', 'if-none-match': '$etag' },
    status: 304,
    choice: true,
  },
];

function headersFor(row: Row, { etag, modified }: { etag: string; modified: string }): Record<string, string> {
  const bare = etag.replace(/^W\//, '');
  const fill = (value: string): string =>
    value.replace('$etag', etag).replace('$weak', `W/${bare}`).replace('$strong', bare).replace('$modified', modified);
  return Object.fromEntries(Object.entries(row.headers).map(([name, value]) => [name, fill(value)]));
}

async function judge(name: string, row: Row): Promise<void> {
  const place = places.get(name);
  if (place === undefined) throw new Error(`no place ${name}`);
  const response = await ask(name, place.url, { method: row.method ?? 'GET', headers: headersFor(row, place) });
  const weak = place.etag.startsWith('W/');
  const own = weak ? (row.weakStatus ?? row.status) : row.status;
  const status = name === 'supabase' ? (row.supabaseStatus ?? own) : own;
  expect(response.status).toBe(status);
  const body = new Uint8Array(await response.arrayBuffer());
  if (status === 206) {
    const [first, last] = row.range ?? [0, 0];
    expect(response.headers.get('content-range')).toBe(`bytes ${first}-${last}/${SIZE}`);
    expect(body).toEqual(bytes.slice(first, last + 1));
  }
  if (status === 200) expect(body).toEqual(row.method === 'HEAD' ? new Uint8Array() : bytes);
  if (name === 'supabase') return;
  // §15.4.5: a 304 repeats what a 200 would have said of the representation. §15.5.17: a 416 names the size.
  if (status === 304) {
    expect(body.byteLength).toBe(0);
    expect(response.headers.get('etag')).toBe(place.etag);
    expect(response.headers.get('cache-control')).not.toBeNull();
  }
  if (status === 416) expect(response.headers.get('content-range')).toBe(`bytes */${SIZE}`);
  if (status === 200 && row.method === 'HEAD') expect(response.headers.get('content-length')).toBe(String(SIZE));
}

describe.each(['library', 'own'])('RFC 9110 of a %s object', (name) => {
  it.each(ROWS)('$rule → $status', (row) => judge(name, row));
});

describe('the edge, once it keeps the whole, answers by the same rules', () => {
  it.each(ROWS)('$rule → $status', (row) => judge('library', row));

  it('and says that it did', async () => {
    const url = places.get('library')?.url ?? '';
    const sources: (string | null)[] = [];
    // The copy is kept beside the answer: it is there for one of the next readers.
    while (sources.at(-1) !== 'HIT' && sources.length < 100) {
      const response = await worker.ask(url);
      await response.arrayBuffer();
      sources.push(response.headers.get('x-audafact-cache'));
    }
    expect(sources.at(-1)).toBe('HIT');
  });
});

describe('Supabase Storage answered alike where the RFC leaves no choice', () => {
  it.each(ROWS.filter((row) => row.choice !== true))('$rule → $status', (row) => judge('supabase', row));
});

describe('RFC 9110 §14.6: several ranges', () => {
  it('come as one multipart answer with a length that was told before', async () => {
    const { url } = places.get('own') ?? { url: '' };
    const response = await worker.ask(url, { headers: { range: 'bytes=0-9, 500-509, -5' } });
    expect(response.status).toBe(206);
    const boundary = /^multipart\/byteranges; boundary=(\S+)$/.exec(response.headers.get('content-type') ?? '')?.[1];
    const body = Buffer.from(await response.arrayBuffer());
    expect(response.headers.get('content-length')).toBe(String(body.byteLength));
    const parts = body.toString('latin1').split(`--${boundary}`).slice(1, -1);
    const read = parts.map((part) => {
      const [head = '', content = ''] = part.split('\r\n\r\n');
      return [/content-range: (.+)/.exec(head)?.[1], content.replace(/\r\n$/, '')];
    });
    const cut = (first: number, last: number): string => Buffer.from(bytes.slice(first, last)).toString('latin1');
    expect(read).toEqual([
      ['bytes 0-9/1000', cut(0, 10)],
      ['bytes 500-509/1000', cut(500, 510)],
      ['bytes 995-999/1000', cut(995, 1000)],
    ]);
    expect(body.toString('latin1').endsWith(`--${boundary}--\r\n`)).toBe(true);
  });
});

describe('RFC 9110 §8.8.2.2: a date in its own second', () => {
  const PUTS = ['the version from before', 'the version of after '].map((text) => new TextEncoder().encode(text));

  /** Two versions within one second, and what a reader was told between the two. */
  async function overwriteWithinASecond(key: string, url: string): Promise<{ told: string | null; second: number }> {
    const [before, after] = PUTS;
    if (before === undefined || after === undefined) throw new Error('two versions');
    for (let tries = 0; tries < 20; tries++) {
      // Early in a second, so that both writes fit into it.
      const begun = await vi.waitUntil(() => (Date.now() % 1000 < 200 ? Date.now() : null), { interval: 20 });
      await worker.putR2(key, before);
      const read = await worker.ask(url);
      await read.arrayBuffer();
      await worker.putR2(key, after);
      const second = Math.floor(begun / 1000);
      if (Math.floor(Date.now() / 1000) === second) return { told: read.headers.get('last-modified'), second };
    }
    throw new Error('no two writes within one second');
  }

  it('is told to nobody and holds for no range, so that no reader joins two versions', async () => {
    const key = `users/${worker.users.pro}/uploads/twice.wav`;
    const url = await worker.sign(worker.users.pro, key);
    const { told, second } = await overwriteWithinASecond(key, url);
    expect(told).toBeNull();
    const rest = (date: string): Promise<Response> =>
      worker.ask(url, { headers: { range: 'bytes=5-', 'if-range': date } });
    const guessed = await rest(new Date(second * 1000).toUTCString());
    expect([guessed.status, await guessed.text()]).toEqual([200, 'the version of after ']);
    // Whoever is told the date later has seen the last version of that second.
    const settled = await vi.waitUntil(async () => (await worker.ask(url)).headers.get('last-modified'), {
      timeout: 5000,
    });
    const joined = await rest(settled);
    expect([joined.status, await joined.text()]).toEqual([206, 'the version of after '.slice(5)]);
  });
});

describe('RFC 9111 §5.2', () => {
  it('lets anybody keep the library for a year, and only its owner a file of a user', async () => {
    const of = async (name: string): Promise<string | null> =>
      (await worker.ask(places.get(name)?.url ?? '')).headers.get('cache-control');
    expect(await of('library')).toBe('public, max-age=31536000, immutable');
    expect(await of('own')).toBe('private, max-age=3600, must-revalidate');
  });
});

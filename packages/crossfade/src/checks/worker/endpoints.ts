import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict } from '../../rollout/verdict.ts';
import type { PublicResponse } from '../../providers/providers.ts';
import { errorCode, openMediaClient, parseHealth, sha256, type MediaClient, type Reach } from './media-client.ts';
import { toneWav } from './tone-wav.ts';

interface Expectation {
  readonly name: string;
  readonly expected: string;
  measure(): Promise<string>;
}

/** `201`, or `404 NOT_FOUND`: what a route answered, in the words of the API's contract. */
function answer(response: PublicResponse): string {
  return response.status < 400 ? String(response.status) : `${response.status} ${errorCode(response)}`;
}

/**
 * Every route of the Worker, its success and its documented failures, against the deployed Worker from
 * outside. The canary's objects are removed afterwards.
 */
export function endpointsCheck(
  environment: EnvironmentName,
  proves: readonly string[],
  reach: (context: RolloutContext) => Promise<Reach> = async () => ({}),
): Check {
  return {
    id: `${environment}.worker.endpoints`,
    title: `Every endpoint of the ${environment} Worker answers as documented`,
    proves,
    async run(context) {
      const client = await openMediaClient(context, environment, { reach: await reach(context) });
      const bytes = toneWav(0.25, 440);
      const key = await client.upload('canary tone.wav', 'audio/wav', bytes);
      const rows: { name: string; expected: string; measured: string; ok: boolean }[] = [];
      try {
        const service = context.config.environments[environment].worker.name;
        const tracks = await countTracks(context, environment);
        for (const one of expectations(client, { key, bytes, service, tracks })) {
          const measured = await one.measure();
          rows.push({ name: one.name, expected: one.expected, measured, ok: measured === one.expected });
        }
      } finally {
        const removed = await client.remove(key);
        rows.push({
          name: 'POST /api/delete-file',
          expected: '200',
          measured: answer(removed),
          ok: removed.status === 200,
        });
      }
      const gone = answer(await client.request(`/api/stream?key=${encodeURIComponent(key)}`));
      rows.push({
        name: 'GET /api/stream after delete',
        expected: '404 NOT_FOUND',
        measured: gone,
        ok: gone === '404 NOT_FOUND',
      });
      const evidence = await context.keep(`${environment}/endpoints.json`, JSON.stringify(rows, null, 2));
      const wrong = rows.filter((row) => !row.ok);
      return verdict(wrong.length === 0, {
        summary:
          wrong.length === 0
            ? `${rows.length} answers, all as documented`
            : wrong.map((row) => `${row.name}: ${row.measured}, expected ${row.expected}`).join('; '),
        measured: { right: rows.length - wrong.length, wrong: wrong.map((row) => ({ ...row })) },
        expected: { right: rows.length, wrong: [] },
        evidence: [evidence],
      });
    },
  };
}

/** The listing's length as the database has it; the route answers with at most so many. */
async function countTracks(context: RolloutContext, environment: EnvironmentName): Promise<number> {
  const [row] = await context.providers.database[environment].query<{ count: number }>(
    'select least(count(*), 1000)::int as count from library_tracks',
  );
  if (row === undefined) throw new Error('the database counted no library_tracks');
  return row.count;
}

function expectations(
  client: MediaClient,
  { key, bytes, service, tracks }: { key: string; bytes: Uint8Array; service: string; tracks: number },
): Expectation[] {
  const at = (path: string): string => `${path}?key=${encodeURIComponent(key)}`;
  const json = { 'content-type': 'application/json' };
  const signUpload = (body: string) => client.request('/api/sign-upload', { method: 'POST', headers: json, body });
  const whole = sha256(bytes);
  return [
    {
      name: 'GET /health',
      expected: '200 audafact-api',
      measure: async () => {
        const response = await client.request('/health', { token: null });
        return `${response.status} ${parseHealth(response).service}`;
      },
    },
    {
      name: 'GET /api/library',
      expected: `${tracks} tracks`,
      measure: async () => `${(await client.library()).length} tracks`,
    },
    {
      name: 'GET /api/uploads lists the canary',
      expected: 'listed',
      measure: async () => ((await client.uploads()).some((upload) => upload.key === key) ? 'listed' : 'missing'),
    },
    {
      name: 'GET /api/uploads without a token',
      expected: '401 TOKEN_MISSING',
      measure: async () => answer(await client.request('/api/uploads', { token: null })),
    },
    {
      name: 'GET /api/stream',
      expected: `200 ${whole}`,
      measure: async () => {
        const response = await client.request(at('/api/stream'));
        return `${response.status} ${sha256(response.body)}`;
      },
    },
    {
      name: 'GET /api/stream of a range',
      expected: `206 bytes 10-19/${bytes.byteLength} ${sha256(bytes.subarray(10, 20))}`,
      measure: async () => {
        const response = await client.request(at('/api/stream'), { headers: { range: 'bytes=10-19' } });
        return `${response.status} ${response.headers['content-range'] ?? 'no content-range'} ${sha256(response.body)}`;
      },
    },
    {
      name: 'GET signed URL',
      expected: `200 ${whole}`,
      measure: async () => {
        const response = await client.follow((await client.signFile(key)).url);
        return `${response.status} ${sha256(response.body)}`;
      },
    },
    {
      name: 'GET signed URL beyond the end',
      expected: '416 RANGE_NOT_SATISFIABLE',
      measure: async () =>
        answer(
          await client.follow((await client.signFile(key)).url, { headers: { range: `bytes=${bytes.byteLength}-` } }),
        ),
    },
    {
      name: 'GET signed URL, not changed since',
      expected: '304',
      measure: async () => {
        const { url } = await client.signFile(key);
        const etag = (await client.follow(url)).headers['etag'] ?? '';
        return answer(await client.follow(url, { headers: { 'if-none-match': etag } }));
      },
    },
    {
      name: 'HEAD signed URL',
      expected: '200',
      measure: async () => answer(await client.follow((await client.signFile(key)).url, { method: 'HEAD' })),
    },
    {
      name: 'GET /api/sign-file of an unknown key',
      expected: '404 NOT_FOUND',
      measure: async () => answer(await client.request('/api/sign-file?key=library/originals/nobody-00000000.wav')),
    },
    {
      name: 'GET /api/sign-file of a bad key',
      expected: '400 KEY_INVALID',
      measure: async () => answer(await client.request('/api/sign-file?key=..%2Fsecrets')),
    },
    {
      name: 'POST /api/sign-upload of a wrong type',
      expected: '400 TYPE_NOT_ALLOWED',
      measure: async () =>
        answer(await signUpload('{"filename":"a.exe","contentType":"application/x-msdownload","sizeBytes":10}')),
    },
    {
      name: 'POST /api/sign-upload of a file too large',
      expected: '413 FILE_TOO_LARGE',
      measure: async () =>
        answer(await signUpload('{"filename":"a.wav","contentType":"audio/wav","sizeBytes":99999999999}')),
    },
    {
      name: 'GET signed URL of several ranges',
      expected: '206 multipart/byteranges',
      measure: async () => {
        const { url } = await client.signFile(key);
        const response = await client.follow(url, { headers: { range: 'bytes=0-9, 20-29' } });
        return `${response.status} ${response.headers['content-type']?.split(';')[0] ?? ''}`;
      },
    },
    {
      name: 'GET signed URL, changed since',
      expected: '412 PRECONDITION_FAILED',
      measure: async () => {
        const { url } = await client.signFile(key);
        return answer(await client.follow(url, { headers: { 'if-match': '"another"' } }));
      },
    },
    {
      name: 'GET /api/sign-file as a download',
      expected: '200 attachment',
      measure: async () => {
        const signed = await client.request(`${at('/api/sign-file')}&download=1`);
        const response = await client.follow((JSON.parse(signed.body.toString('utf8')) as { url: string }).url);
        return `${response.status} ${response.headers['content-disposition']?.split(';')[0] ?? ''}`;
      },
    },
    {
      name: 'POST /api/sign-upload without a body',
      expected: '400 BODY_INVALID',
      measure: async () => answer(await signUpload('')),
    },
    {
      name: 'POST /api/sign-upload of a name with a slash',
      expected: '400 FILENAME_INVALID',
      measure: async () => answer(await signUpload('{"filename":"a/b.wav","contentType":"audio/wav","sizeBytes":10}')),
    },
    {
      name: 'POST /api/sign-parts of no upload',
      expected: '403 UPLOAD_INVALID',
      measure: async () => answer(await client.post('/api/sign-parts', { key, uploadId: 'x', parts: [1] })),
    },
    {
      name: 'POST /api/complete-upload of no upload',
      expected: '403 UPLOAD_INVALID',
      measure: async () => answer(await client.post('/api/complete-upload', { key, uploadId: 'x', parts: [] })),
    },
    {
      name: 'POST /api/abort-upload of a library key',
      expected: '403 NOT_OWNER',
      measure: async () => answer(await client.post('/api/abort-upload', { key: 'library/originals/x.wav' })),
    },
    {
      name: 'POST /api/delete-file of a bad key',
      expected: '400 KEY_INVALID',
      measure: async () => answer(await client.post('/api/delete-file', { key: '../x' })),
    },
    {
      name: 'POST /rum',
      expected: '204',
      measure: async () => answer(await client.post('/rum', { name: 'error', value: 0 })),
    },
    {
      name: 'POST /rum of an unknown name',
      expected: '400 BODY_INVALID',
      measure: async () => answer(await client.post('/rum', { name: 'who', value: 0 })),
    },
    {
      name: 'every answer to a user tells the limits',
      expected: 'limit, remaining, reset',
      measure: async () => {
        const { headers } = await client.request('/api/library');
        return ['limit', 'remaining', 'reset'].filter((name) => Number(headers[`x-ratelimit-${name}`]) >= 0).join(', ');
      },
    },
    {
      name: 'GET an unknown route',
      expected: '404 ROUTE_NOT_FOUND',
      measure: async () => answer(await client.request(`/api/${service}-nothing`)),
    },
  ];
}

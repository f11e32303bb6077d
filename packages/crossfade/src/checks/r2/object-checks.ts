import { randomBytes } from 'node:crypto';
import type { EnvironmentName } from '../../rollout/config.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Check } from '../../rollout/plan.ts';
import { verdict, type Verdict } from '../../rollout/verdict.ts';
import { openMediaClient, sha256, type MediaClient } from '../worker/media-client.ts';

/** Sizes in bytes and names that have broken uploaders before. */
const SAMPLES: readonly { filename: string; bytes: number; inParts?: true }[] = [
  { filename: 'small.wav', bytes: 1_024 },
  { filename: 'empty.wav', bytes: 0 },
  { filename: 'Ünïcode & spaces (1).mp3', bytes: 40_000 },
  { filename: 'plus+percent%41.m4a', bytes: 10_000 },
  { filename: 'large.wav', bytes: 6 * 1024 * 1024 },
  { filename: `${'long name '.repeat(20)}.wav`, bytes: 2_048 },
  { filename: '音楽 🎧.wav', bytes: 2_048 },
  { filename: 'in parts.wav', bytes: 9 * 1024 * 1024, inParts: true },
];
const TYPES: Readonly<Record<string, string>> = { wav: 'audio/wav', mp3: 'audio/mpeg', m4a: 'audio/mp4' };

interface Uploaded {
  readonly filename: string;
  readonly key: string;
  readonly sent: Uint8Array;
}

async function uploadSamples(client: MediaClient): Promise<Uploaded[]> {
  return Promise.all(
    SAMPLES.map(async ({ filename, bytes, inParts }) => {
      const sent = randomBytes(bytes);
      const type = TYPES[filename.slice(filename.lastIndexOf('.') + 1)] ?? 'audio/wav';
      const key = await (inParts === true
        ? client.uploadInParts(filename, type, sent)
        : client.upload(filename, type, sent));
      return { filename, key, sent };
    }),
  );
}

type Finding = { filename: string; expected: string; measured: string };

/** Runs `measure` over freshly uploaded samples and removes them afterwards, whatever came out. */
async function overSamples(
  context: RolloutContext,
  environment: EnvironmentName,
  measure: (client: MediaClient, sample: Uploaded) => Promise<Finding>,
): Promise<Verdict> {
  const client = await openMediaClient(context, environment);
  const samples = await uploadSamples(client);
  try {
    const findings = await Promise.all(samples.map((sample) => measure(client, sample)));
    const wrong = findings.filter((finding) => finding.measured !== finding.expected);
    return verdict(wrong.length === 0, {
      summary:
        wrong.length === 0
          ? `${findings.length} objects of 0 B to 9 MiB, byte for byte as expected`
          : wrong.map((one) => `${one.filename}: ${one.measured}, expected ${one.expected}`).join('; '),
      measured: { right: findings.length - wrong.length, wrong },
      expected: { right: findings.length, wrong: [] },
    });
  } finally {
    await Promise.all(samples.map((sample) => client.remove(sample.key)));
  }
}

/** What was sent through sign → PUT lies in the bucket, byte for byte, seen past the Worker. */
export function uploadsCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return {
    id: `${environment}.r2.uploads`,
    title: 'What is uploaded lies in the bucket, byte for byte',
    proves,
    run: (context) =>
      overSamples(context, environment, async (_client, { filename, key, sent }) => {
        const stored = await context.providers.r2[environment].get(key);
        const expected = sha256(sent);
        if (stored === null) return { filename, expected, measured: 'nothing in the bucket' };
        const chunks: Uint8Array[] = [];
        for await (const chunk of stored.body) chunks.push(chunk);
        return { filename, expected, measured: sha256(Buffer.concat(chunks)) };
      }),
  };
}

/** What is played through a signed URL is what was sent, whole and in ranges. */
export function previewsCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return {
    id: `${environment}.r2.previews`,
    title: 'What is played is what was sent, whole and in ranges',
    proves,
    run: (context) =>
      overSamples(context, environment, async (client, { filename, key, sent }) => {
        const { url } = await client.signFile(key);
        const whole = await client.follow(url);
        const tail = await client.follow(url, { headers: { range: 'bytes=-100' } });
        const expectedTail = sent.byteLength === 0 ? 416 : 206;
        const tailHash = sent.byteLength === 0 ? '' : sha256(sent.subarray(-100));
        return {
          filename,
          expected: `200 ${sha256(sent)} ${expectedTail} ${tailHash}`,
          measured: `${whole.status} ${sha256(whole.body)} ${tail.status} ${tail.status === 206 ? sha256(tail.body) : ''}`,
        };
      }),
  };
}

/** What is deleted is gone from the bucket and from the API. */
export function deletionsCheck(environment: EnvironmentName, proves: readonly string[]): Check {
  return {
    id: `${environment}.r2.deletions`,
    title: 'What is deleted is gone, from the API and from the bucket',
    proves,
    run: (context) =>
      overSamples(context, environment, async (client, { filename, key }) => {
        const { url } = await client.signFile(key);
        const removed = await client.remove(key);
        const read = await client.follow(url);
        const head = await context.providers.r2[environment].head(key);
        return {
          filename,
          expected: '200 404 gone',
          measured: `${removed.status} ${read.status} ${head === null ? 'gone' : 'still in the bucket'}`,
        };
      }),
  };
}

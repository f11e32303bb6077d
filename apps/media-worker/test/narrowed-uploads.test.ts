import { afterAll, beforeAll, expect, it } from 'vitest';
import { deployWorker, LIMITS, type DeployedWorker } from './deployed-worker.ts';

const MEBIBYTE = 1024 * 1024;
let worker: DeployedWorker;

/** As production is bound while the old store, which takes 2.5 MiB of WAV, has to be able to take every upload back. */
beforeAll(async () => {
  const within = Object.entries(LIMITS).map(([tier, limits]) => [tier, { ...limits, largestFile: 2.5 * MEBIBYTE }]);
  const vars = { TIER_LIMITS: JSON.stringify(Object.fromEntries(within)), UPLOAD_TYPES: 'audio/wav,audio/mpeg' };
  worker = await deployWorker({ legacy: true, vars });
});
afterAll(() => worker.close());

const sign = async (build: 'r2' | 'bypass', filename: string, contentType: string, sizeBytes: number) => {
  const body = JSON.stringify({ filename, contentType, sizeBytes });
  const headers = { 'content-type': 'application/json' };
  const response = await worker.ask('/api/sign-upload', {
    method: 'POST',
    as: worker.users.enterprise,
    build,
    headers,
    body,
  });
  return { status: response.status, text: await response.text() };
};

it.each(['r2', 'bypass'] as const)(
  'the build %s takes what the old store takes back, and names its bounds',
  async (build) => {
    expect((await sign(build, 'fits.wav', 'audio/wav', 2.5 * MEBIBYTE)).status).toBe(200);
    expect(await sign(build, 'large.wav', 'audio/wav', 2.5 * MEBIBYTE + 1)).toEqual({
      status: 413,
      text: expect.stringContaining('the largest file of your tier has 2.5 MiB'),
    });
    expect(await sign(build, 'other.m4a', 'audio/mp4', 1)).toEqual({
      status: 400,
      text: expect.stringContaining('for now only audio/wav, audio/mpeg are taken'),
    });
  },
);

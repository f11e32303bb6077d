import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  startTemporaryProject,
  type TemporaryProject,
} from '../../../../local-cloud/src/supabase/temporary-project.ts';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import { createObjectStore } from '../../providers/s3/object-store.ts';
import { createSupabaseProvider } from '../../providers/supabase/supabase-provider.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { verdict } from '../../rollout/verdict.ts';
import { legacyQuietCheck } from './legacy-quiet-check.ts';

const pass = verdict(true, { summary: 'watched', measured: null, expected: null });
let project: TemporaryProject;
beforeAll(async () => {
  project = await startTemporaryProject('127.0.0.58');
});
afterAll(() => project.close());

/** What the check says of a watch in which this happened at legacy. */
async function after(watch: () => Promise<unknown>): Promise<{ status: string; summary: string }> {
  const start = Date.now();
  await watch();
  const journal = memoryJournal();
  await journal.append(
    {
      kind: 'check.verdict',
      data: { title: 'watched', proves: [], ms: Date.now() - start + 1, verdict: pass },
    },
    { phase: 'watch', subject: 'watch.observation' },
  );
  const production = createSupabaseProvider({
    url: project.url,
    anonKey: project.anonKey,
    serviceKey: project.serviceKey,
    management: { apiUrl: project.url, token: 'manage', ref: 'abcdefghijklmnopqrst' },
  });
  const context = { history: () => journal.read(), providers: { supabase: { production } } };
  // The check asks for nothing else.
  const { status, summary } = await legacyQuietCheck().run(context as unknown as RolloutContext);
  return { status, summary };
}

async function sweep(): Promise<void> {
  const store = createObjectStore({
    label: 'legacy',
    bucket: 'media',
    partSizeBytes: 5 * 1024 * 1024,
    ...project.s3,
  });
  for await (const object of store.list()) expect(object.key).toBeTypeOf('string');
  await store.close();
}
const visit = (): Promise<unknown> =>
  fetch(`${project.url}/storage/v1/object/public/media/a.wav`, { headers: { 'user-agent': 'Mozilla/5.0' } });

it('legacy is quiet when its log has seen our own requests and nobody else', async () => {
  expect(await after(sweep)).toMatchObject({
    status: 'pass',
    summary: expect.stringMatching(/^0 .* and [1-9]\d* of ours$/),
  });
});

it('legacy is not quiet when somebody else asked it for anything', async () => {
  expect(await after(async () => [await sweep(), await visit()])).toMatchObject({
    status: 'fail',
    summary: expect.stringMatching(/^1 storage requests of others/),
  });
});

it('a log that did not even see our own requests proves nothing', async () => {
  expect(await after(async () => null)).toMatchObject({ status: 'fail' });
});

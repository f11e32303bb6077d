import { afterAll, beforeAll, expect, it } from 'vitest';
import { startAppDatabase, type AppDatabase } from '../../migrations/fixtures/app-database.ts';
import { createDryRun } from '../../providers/dry-run.ts';
import { databaseStep } from './database-step.ts';

let app: AppDatabase;
beforeAll(async () => {
  app = await startAppDatabase();
});
afterAll(() => app.close());

it('gives the database what it lacks, by the very statements that the dry run names', async () => {
  const step = databaseStep('staging');
  const { context } = app;
  await step.run(context, await step.look(context));
  expect((await step.verify(context, { missing: [] })).status).toBe('pass');
  await app.pool.query('drop index uploads_file_key');
  const before = await step.look(context);
  expect(before).toEqual({ missing: ['0002_expand_uploads_key'] });
  expect((await step.verify(context, before)).status).toBe('fail');
  const dry = createDryRun(context.providers, context.config);
  await step.run({ ...context, providers: dry.providers }, before);
  expect(dry.calls.map((call) => `${call.method} ${call.path.split(' ').slice(0, 3).join(' ')}`)).toEqual([
    'SQL drop index concurrently',
    'SQL -- crossfade: no',
    'SQL set local lock_timeout',
  ]);
  expect((await step.verify(context, before)).status).toBe('fail');
  await step.run(context, before);
  expect((await step.verify(context, before)).status).toBe('pass');
});

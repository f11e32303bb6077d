import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabaseProvider } from '../../providers/postgres/database-provider.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { asksForOwner, ownerPoliciesCheck } from './owner-policies.ts';

let server: DatabaseServer;
let client: Client;
let database: ReturnType<typeof createDatabaseProvider>;

beforeAll(async () => {
  server = await startTemporaryDatabase('app');
  client = new Client({ connectionString: server.url('app') });
  await client.connect();
  await client.query(
    'create schema storage; create table storage.objects (bucket_id text, name text, owner uuid, owner_id text)',
  );
  database = createDatabaseProvider(server.url('app'));
}, 60_000);
beforeEach(async () => {
  const { rows } = await client.query<{ policyname: string }>('select policyname from pg_policies');
  for (const { policyname } of rows) await client.query(`drop policy "${policyname}" on storage.objects`);
});
afterAll(async () => {
  await database.close();
  await client.end();
  await server.stop();
});

/** `Give users access to own folder` and its like, from Supabase's own templates and documentation. */
const POLICIES = {
  'own files': `for select using (bucket_id = 'media' and owner_id = current_user)`,
  'own files, old': `for select using (owner::text = current_user and bucket_id = 'media')`,
  'own or shared': `for select using (bucket_id = 'other' and name = 'x' or owner_id = current_user)`,
  'delete own': `for delete using (owner_id = current_user)`,
  'own folder': `for select using (bucket_id = 'media' and (string_to_array(name, '/'))[2] = current_user)`,
  'own in another bucket': `for select using (bucket_id = 'it''s another' and owner_id = current_user)`,
  'a folder called owner': `for select using (bucket_id = 'media' and name like 'owner/%')`,
  'upload own': `for insert with check (owner_id = current_user)`,
};

async function judge(accepted: string[] = []) {
  const context = {
    config: {
      environments: { production: { supabase: { bucket: 'media' } } },
      transfer: { accepted: { ownerPolicies: accepted } },
    },
    providers: { database: { production: database } },
  };
  // The check asks for nothing else.
  return ownerPoliciesCheck().run(context as unknown as RolloutContext);
}

describe('policies of the old store', () => {
  it('that go by the owner are named, whatever their form; those of other buckets, and by the key, are not', async () => {
    for (const [name, rule] of Object.entries(POLICIES))
      await client.query(`create policy "${name}" on storage.objects ${rule}`);
    const { status, summary } = await judge();
    expect(status).toBe('fail');
    expect(summary).toBe(
      'uploads that a rollback brings back have no owner, and these policies go by it: "delete own" (DELETE), "own files" (SELECT), "own files, old" (SELECT), "own or shared" (SELECT)',
    );
  });

  it('that people accept by name let the rollout go on, and one more does not', async () => {
    await client.query(`create policy "own files" on storage.objects ${POLICIES['own files']}`);
    expect(await judge(['own files'])).toMatchObject({ status: 'pass' });
    await client.query(`create policy "delete own" on storage.objects ${POLICIES['delete own']}`);
    expect((await judge(['own files'])).summary).toMatch(/go by it: "delete own" \(DELETE\)$/);
  });

  it('are none where there are none', async () => {
    expect(await judge()).toMatchObject({ status: 'pass', measured: { policies: 0 } });
  });
});

it('a policy of the bucket itself is told by its literal to the letter', () => {
  const condition = `((bucket_id = 'it''s'::text) AND (owner_id = 'x'::text))`;
  expect([asksForOwner({ condition }, "it's"), asksForOwner({ condition }, 'media')]).toEqual([true, false]);
});

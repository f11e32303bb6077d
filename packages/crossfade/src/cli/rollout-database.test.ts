import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openRolloutDatabase } from './rollout-database.ts';

let checkout: string;
beforeAll(async () => {
  checkout = await mkdtemp(join(tmpdir(), 'crossfade-checkout-'));
  // As root, Postgres runs as a user of its own, who has to pass through.
  await chmod(checkout, 0o755);
});
afterAll(() => rm(checkout, { recursive: true, force: true }));

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    await client.end();
    return true;
  } catch {
    return false;
  }
}

describe('the database of real rollouts', () => {
  it("is the team's own where one is named, and is left alone", async () => {
    const database = await openRolloutDatabase({ DATABASE_URL: 'postgres://team@db.example.com/rollouts' }, checkout);
    expect(database.url).toBe('postgres://team@db.example.com/rollouts');
    await database.close();
  });

  it('serves several commands at once, and ends with the last of them, whoever began it', async () => {
    const first = await openRolloutDatabase({}, checkout);
    const second = await openRolloutDatabase({}, checkout);
    expect(second.url).toBe(first.url);
    const client = new Client({ connectionString: second.url });
    await client.connect();
    await first.close();
    expect(await answers(second.url)).toBe(true);
    await client.end();
    await second.close();
    expect(await answers(second.url)).toBe(false);
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { strToU8, zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RolloutContext } from '../../rollout/context.ts';
import type { Verdict } from '../../rollout/verdict.ts';
import { archivePhase, type ArchivePlaces } from './archive-phase.ts';

const CANARY = 'canary-api-token-of-the-config';
let root: string;
let places: ArchivePlaces;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossfade-archive-'));
  places = { archive: join(root, 'archive'), evidence: join(root, 'evidence') };
  await mkdir(places.evidence);
});
afterEach(() => rm(root, { recursive: true, force: true }));

/** The archive's step and checks ask for the config, the journal and nothing else. */
const context = {
  rollout: 'a-rollout',
  config: { name: 'audafact', cloudflare: { apiToken: CANARY } },
  history: async () => [{ seq: 1, kind: 'note', data: { text: 'all is well' } }],
} as unknown as RolloutContext;

async function archive(): Promise<Record<string, Verdict>> {
  const verdicts: Record<string, Verdict> = {};
  for (const part of archivePhase({ deadlineMs: 1000, places }).parts) {
    if (part.kind === 'step') {
      await part.step.run(context, null);
      verdicts[part.step.id] = await part.step.verify(context, null);
    }
    if (part.kind === 'checks') for (const check of part.checks) verdicts[check.id] = await check.run(context);
  }
  return verdicts;
}
const statuses = (verdicts: Record<string, Verdict>): Record<string, string> =>
  Object.fromEntries(Object.entries(verdicts).map(([id, { status }]) => [id, status]));

describe('archiving', () => {
  it('keeps journal, config and evidence, whole and without a credential', async () => {
    await writeFile(join(places.evidence, 'load.json'), JSON.stringify({ header: `Bearer ${CANARY}` }));
    expect(statuses(await archive())).toEqual({
      'archive.write': 'pass',
      'archive.whole': 'pass',
      'archive.noSecrets': 'pass',
    });
  });

  it.each([
    ['a picture', 'screenshot.png', Buffer.from(`PNG ${CANARY}`)],
    ['a compressed trace', 'trace.zip', zipSync({ 'trace.trace': strToU8(`typed ${CANARY}`) })],
  ])('fails when a credential came in with %s, and names the file', async (_name, file, bytes) => {
    await writeFile(join(places.evidence, file), bytes);
    const { 'archive.noSecrets': verdict } = await archive();
    expect(verdict).toMatchObject({ status: 'fail', summary: expect.stringContaining(file) });
  });

  it('undone, leaves nothing', async () => {
    await archive();
    const [part] = archivePhase({ deadlineMs: 1000, places }).parts;
    if (part?.kind !== 'step') throw new Error('the first part is the step');
    await part.step.compensate(context, null);
    await part.step.compensate(context, null);
    expect(await part.step.verify(context, null).catch((error: unknown) => error)).toBeInstanceOf(Error);
  });
});

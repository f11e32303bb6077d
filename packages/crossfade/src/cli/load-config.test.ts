import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { loadConfig } from './load-config.ts';
import { nobodysEnvironment } from './fixtures/nobodys-environment.ts';

const REPOSITORY = fileURLToPath(new URL('../../../../', import.meta.url)).replace(/\/$/, '');
const CONFIG = join(REPOSITORY, 'rollouts/audafact/crossfade.config.ts');
let elsewhere = '';

beforeEach(async () => {
  elsewhere = await mkdtemp(join(tmpdir(), 'crossfade-elsewhere-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(elsewhere, { recursive: true, force: true });
});

it('paths of a config are those of its repository, from whichever folder the command is run', async () => {
  vi.spyOn(process, 'cwd').mockReturnValue(elsewhere);
  const { mediaRows, worker, environments, team } = await loadConfig(CONFIG, nobodysEnvironment());
  const paths = [
    mediaRows.migrations,
    worker.entry,
    worker.bypassEntry,
    worker.limitsEntry,
    environments.staging.frontend.source,
    environments.production.frontend.source,
    team.people,
    team.communications,
    team.escalation,
    'file' in team.onCall ? team.onCall.file : team.people,
  ];
  expect(paths.filter((path) => !path.startsWith(REPOSITORY))).toEqual([]);
  for (const path of paths) await expect(access(path), path).resolves.toBeUndefined();
});

it('within the repository they stay as they are written, so that a signature holds on every machine', async () => {
  vi.spyOn(process, 'cwd').mockReturnValue(REPOSITORY);
  const { mediaRows } = await loadConfig(CONFIG, nobodysEnvironment());
  expect(mediaRows.migrations).not.toMatch(/^\//);
});

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const CHILD = fileURLToPath(new URL('fixtures/durable-child.ts', import.meta.url));
let folder: string;
let server: DatabaseServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-engine-'));
  server = await startTemporaryDatabase('one', 'two', 'three', 'four');
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

function live(database: string, file: string, stop = ''): ChildProcess {
  const args = ['--disable-warning=DeprecationWarning', CHILD, server.url(database), file, stop];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

async function ended(child: ChildProcess): Promise<{ code: unknown; output: string }> {
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

describe('the durable engine', () => {
  it.each(['one', 'two', 'three', 'four'])(
    'goes on after a kill -9 inside of step %s: what was finished is not run again',
    async (stop) => {
      const file = join(folder, `${stop}.effects`);
      const first = live(stop, file, stop);
      const hanging = once(first.stdout ?? first, 'data');
      await hanging;
      first.kill('SIGKILL');
      await once(first, 'close');

      const { code, output } = await ended(live(stop, file));
      expect(code, output).toBe(0);
      const effects = (await readFile(file, 'utf8')).trim().split('\n');
      const steps = ['one', 'two', 'three', 'four'];
      // Only the step that was killed has its effect twice: that is why steps look before they act.
      const at = steps.indexOf(stop) + 1;
      expect(effects).toEqual([...steps.slice(0, at), ...steps.slice(at - 1)]);

      const again = await ended(live(stop, file));
      expect(again.output).toBe(`ended after ${effects.length} effects\n`);
    },
  );
});

import { statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import pc from 'picocolors';
import { findChromium, HOW_TO_GET_CHROMIUM } from '../../../../scripts/find-chromium.mjs';
import { EXIT } from './exit-codes.ts';
import type { CommandFlags } from './main.ts';
import { DEFAULT_PORT, NEEDED_BYTES } from './rehearse-needs.ts';

interface Finding {
  readonly need: string;
  readonly found: string;
  readonly ok: boolean;
  /** Without it a rehearsal still runs, with less proven or elsewhere. */
  readonly optional: boolean;
  /** How to get it. */
  readonly remedy: string;
}

/** Everything that a rehearsal needs of this machine. */
async function examine(): Promise<Finding[]> {
  const disk = await statfs(process.cwd());
  const free = disk.bavail * disk.bsize;
  const chromium = findChromium();
  const [loopback, room] = await Promise.all([canListen('127.0.0.53', 0), canListen('127.0.0.1', DEFAULT_PORT)]);
  const platform = `${process.platform} ${process.arch}`;
  return [
    {
      need: 'Node 22.18 or newer',
      found: process.version,
      ok: true,
      optional: false,
      remedy: 'https://nodejs.org/en/download',
    },
    {
      need: 'a platform that PostgreSQL and workerd are built for',
      found: platform,
      ok: ['linux x64', 'linux arm64', 'darwin x64', 'darwin arm64'].includes(platform),
      optional: false,
      remedy: 'run it on Linux or macOS, or in a container',
    },
    {
      need: `${NEEDED_BYTES / 1e9} GB of free disk`,
      found: `${(free / 1e9).toFixed(1)} GB`,
      ok: free >= NEEDED_BYTES,
      optional: false,
      remedy: 'free some space',
    },
    {
      need: 'loopback addresses of its own for the resolvers (127.0.0.x)',
      found: loopback ?? 'can be had',
      ok: loopback === null,
      optional: false,
      remedy: 'macOS: sudo ifconfig lo0 alias 127.0.0.53 up (and for each address that is named)',
    },
    {
      need: 'a Chromium',
      found: chromium ?? 'none',
      ok: chromium !== null,
      optional: true,
      remedy: HOW_TO_GET_CHROMIUM,
    },
    {
      need: `port ${DEFAULT_PORT}`,
      found: room ?? 'free',
      ok: room === null,
      optional: true,
      remedy: 'none needed: the control room takes the next free one',
    },
  ];
}

/** `null` when it can be listened to, otherwise why not. */
function canListen(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
}

/** `crossfade doctor`: what is missing on this machine, and how to get it. Exit code 1 when a rehearsal cannot run. */
export async function doctorCommand(flags: CommandFlags): Promise<number> {
  const findings = await examine();
  const missing = findings.filter(({ ok, optional }) => !ok && !optional);
  const next = missing.length === 0 ? ['npm start'] : missing.map(({ remedy }) => remedy);
  if (flags.json === true) {
    process.stdout.write(`${JSON.stringify({ ready: missing.length === 0, findings, next }, null, 2)}\n`);
  } else {
    for (const { need, found, ok, optional, remedy } of findings) {
      const mark = ok ? pc.green('✔') : optional ? pc.yellow('–') : pc.red('✘');
      process.stdout.write(`${mark} ${need}: ${found}${ok ? '' : `\n    ${remedy}`}\n`);
    }
    process.stdout.write(
      `\n${missing.length === 0 ? 'a rehearsal can run: npm start' : 'a rehearsal cannot run yet'}\n`,
    );
  }
  return missing.length === 0 ? EXIT.done : EXIT.failed;
}

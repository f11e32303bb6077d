import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadConfig } from './load-config.ts';
import { environmentFile } from './cloud-command.ts';
import { nobodysEnvironment } from './fixtures/nobodys-environment.ts';
import { demandSpace } from './rehearse-needs.ts';
import { asUserError } from './user-error.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const CONFIG = fileURLToPath(new URL('../../../../rollouts/audafact/crossfade.config.ts', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-cli-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs the command in an empty folder, as somebody would who has never used it. */
function crossfade(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...args],
      { cwd: folder, env: { ...process.env, NO_COLOR: '1' } },
      (error, out, err) => resolve({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

describe('a mistake at the keyboard', () => {
  it.each([
    ['an unknown command', ['rehearsal'], 'there is no command "rehearsal"', 'CROSSFADE_COMMAND_UNKNOWN'],
    ['an unknown option', ['rehearse', '--fast'], "Unknown option '--fast'", 'CROSSFADE_ARGUMENT_UNKNOWN'],
    ['an argument too many', ['status', 'now'], 'status takes no argument "now"', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    ['an unknown rollback', ['rollback', 'back'], 'there is no rollback "back"', 'CROSSFADE_ROLLBACK_UNKNOWN'],
    ['no rollback named', ['rollback'], 'which rollback?', 'CROSSFADE_ROLLBACK_UNKNOWN'],
    [
      'a time for a rollback that takes none',
      ['rollback', 'dns', '--to', 'x'],
      'dns takes no --to',
      'CROSSFADE_ARGUMENT_UNKNOWN',
    ],
    [
      'a bucket beside and no time',
      ['rollback', 'data', '--beside', 'x'],
      'needs the time',
      'CROSSFADE_ARGUMENT_UNKNOWN',
    ],
    ['a dry run of what has none', ['rollback', 'full', '--dry-run'], 'has no dry run', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    [
      'a time without a zone',
      ['rollback', 'data', '--to', '2026-06-01T10:00'],
      'which zone?',
      'CROSSFADE_RESTORE_TIME',
    ],
    ['an unknown scenario', ['rehearse', '--scenario', 'nope'], 'there are: smooth', 'CROSSFADE_SCENARIO_UNKNOWN'],
    ['an unknown one among all', ['rehearse', '--all', '--scenario', 'smooth,x'], '"x"', 'CROSSFADE_SCENARIO_UNKNOWN'],
    ['all, and resumed', ['rehearse', '--all', '--resume'], 'from its beginning', 'CROSSFADE_NOTHING_TO_RESUME'],
    ['a rate that is none', ['rehearse', '--rate', 'fast'], '"fast" is no rate', 'CROSSFADE_RATE_INVALID'],
    ['no number of pieces', ['rehearse', '--pieces', '0'], '"0" is no number', 'CROSSFADE_PIECES_INVALID'],
    ['a port that is none', ['rehearse', '--port', '99999'], '"99999" is no port', 'CROSSFADE_PORT_INVALID'],
    ['a missing config', ['rehearse', '--config', 'no.ts'], 'there is no config file at', 'CROSSFADE_CONFIG_MISSING'],
    ['a report nowhere', ['rehearse', '--report', 'no/such/x.json'], 'no writable folder', 'CROSSFADE_REPORT_FOLDER'],
    ['nothing to resume', ['rehearse', '--resume'], 'no interrupted rehearsal', 'CROSSFADE_NOTHING_TO_RESUME'],
    ['a part of staging that is none', ['stage', 'all'], 'stage takes no argument "all"', 'CROSSFADE_ARGUMENT_UNKNOWN'],
    ['a missing environment file', ['stage', '--env', 'no.env'], 'there is no file', 'CROSSFADE_ENV_MISSING'],
    ['nothing to show', ['status'], 'no rehearsal was begun here yet', 'CROSSFADE_NOTHING_TO_SHOW'],
  ])('%s: one message with what to do, exit code 2, no stack trace', async (_name, args, says, code) => {
    const { code: exitCode, err, out } = await crossfade(...args);
    expect(exitCode).toBe(2);
    expect(err).toContain(says);
    expect(err).toContain(`[${code}]`);
    expect(err).not.toMatch(/\n\s+at /);
    expect(out).toBe('');
    expect(err.trim().split('\n')).toHaveLength(2);
  });

  it('a vendor that cannot be reached is named, with exit code 4', async () => {
    const env = join(folder, 'nobody.env');
    await writeFile(env, environmentFile(nobodysEnvironment()));
    const { code, err, out } = await crossfade('stage', '--dry-run', '--config', CONFIG, '--env', env);
    expect(code).toBe(4);
    expect(err).toContain('Cloudflare');
    expect(err).toContain('[CROSSFADE_UNREACHABLE]');
    expect(`${err}${out}`).not.toContain('canary');
  });

  it('a rehearsal that already runs in this folder is named, and left alone', async () => {
    const state = {
      rollout: 'audafact-x',
      scenario: 'smooth',
      startedAt: '',
      pid: process.pid,
      signingSecret: 'x',
      finished: false,
    };
    await mkdir(join(folder, '.crossfade'), { recursive: true });
    const file = join(folder, '.crossfade/rehearsal.json');
    await writeFile(file, JSON.stringify(state));
    const { code, err } = await crossfade('rehearse');
    expect(code).toBe(2);
    expect(err).toContain(`the rehearsal audafact-x already runs here (process ${process.pid})`);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(state);
    await rm(file);
  });

  it('help goes to stdout with exit code 0', async () => {
    const { code, out, err } = await crossfade('--help');
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toContain('crossfade rehearse');
  });
});

describe('a disk that is too full', () => {
  it('is told before anything is started, with how much is free and how much is needed', async () => {
    await expect(demandSpace(folder, Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
      code: 'CROSSFADE_DISK_FULL',
      message: expect.stringMatching(/GB are free at .*, a rehearsal needs/),
    });
    await expect(demandSpace(folder, 1)).resolves.toBeUndefined();
  });

  it('is a message and not a stack trace when it fills up later', () => {
    const cause = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC', path: '/x/y' });
    expect(asUserError(new Error('the journal cannot be kept', { cause }))).toMatchObject({
      code: 'CROSSFADE_DISK_FULL',
      message: 'the disk is full: /x/y',
      exitCode: 1,
    });
  });
});

describe('a config', () => {
  async function configFile(name: string, text: string): Promise<string> {
    const file = join(folder, name);
    await writeFile(file, text);
    return file;
  }

  it('that lacks a value names each field and what was expected, never the values of secrets', async () => {
    const failure = loadConfig(CONFIG, { CLOUDFLARE_API_TOKEN: 'canary-token', CLOUDFLARE_ACCOUNT_ID: 'short' });
    await expect(failure).rejects.toMatchObject({
      code: 'CROSSFADE_CONFIG_INVALID',
      exitCode: 2,
      message: expect.stringContaining('cloudflare.accountId: expected'),
    });
    await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining('canary-token') });
  });

  it.each(['postgresql://reader@db.example.com/canary', 'https://u:canary-p@db.example.com/x', 'db.example.com'])(
    'whose database is told as %s says what Hyperdrive needs',
    async (url) => {
      const failure = loadConfig(CONFIG, { ...nobodysEnvironment(), STAGING_DATABASE_URL: url });
      await expect(failure).rejects.toMatchObject({
        message: expect.stringContaining(
          'environments.staging.database.url: expected postgresql://user:password@host:port/database',
        ),
      });
      await expect(failure).rejects.not.toMatchObject({ message: expect.stringContaining('canary') });
    },
  );

  it('with a field that nobody knows is refused by that name', async () => {
    const file = await configFile('unknown.ts', 'export default { colour: 1 };');
    await expect(loadConfig(file, {})).rejects.toMatchObject({
      message: expect.stringContaining('colour: there is no such field'),
    });
  });

  it.each([
    ['has no default export', 'export const x = 1;', 'CROSSFADE_CONFIG_EMPTY'],
    ['is no TypeScript', 'export default {', 'CROSSFADE_CONFIG_BROKEN'],
  ])('that %s says so', async (name, text, code) => {
    const file = await configFile(`${name.replaceAll(' ', '-')}.ts`, text);
    await expect(loadConfig(file, {})).rejects.toMatchObject({ code, exitCode: 2 });
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readEnvironment } from './environment-file.ts';
import { UserError } from './user-error.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'crossfade-env-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true, force: true });
});

async function read(content: string | Buffer): Promise<NodeJS.Dict<string>> {
  const file = join(folder, 'media.env');
  await writeFile(file, content);
  return readEnvironment(file);
}

describe('a file of variables', () => {
  it.each([
    ['plain', 'FIRST=one\nSECOND=two\n'],
    ['with a byte-order mark', '\uFEFFFIRST=one\nSECOND=two\n'],
    ["with Windows' line ends", 'FIRST=one\r\nSECOND=two\r\n'],
    ["with a byte-order mark and Windows' line ends", '\uFEFFFIRST=one\r\nSECOND=two\r\n'],
    ["with the shell's export", 'export FIRST=one\nexport SECOND=two'],
    ['in quotes, with comments', '# mine\nFIRST="one"\nSECOND=\'two\' # yours\n'],
  ])('%s: every variable is read', async (_name, content) => {
    expect(await read(content)).toMatchObject({ FIRST: 'one', SECOND: 'two' });
  });

  it('gives way to what is set outside, but not to what is set to nothing', async () => {
    vi.stubEnv('FIRST', 'outside');
    vi.stubEnv('SECOND', '');
    expect(await read('FIRST=one\nSECOND=two\n')).toMatchObject({ FIRST: 'outside', SECOND: 'two' });
  });

  it.each([
    ['UTF-16, as Windows calls Unicode', Buffer.from('\uFEFFFIRST=one\n', 'utf16le')],
    ['UTF-16 without a mark', Buffer.from('FIRST=one\n', 'utf16le')],
    ['Latin-1', Buffer.from('FIRST=caf\xe9\n', 'latin1')],
  ])('in %s is refused by name', async (_name, content) => {
    await expect(read(content)).rejects.toThrow(/media\.env is no text in UTF-8/);
    await expect(read(content)).rejects.toThrow(UserError);
  });

  it('that is a folder, or is not there, is named', async () => {
    await expect(readEnvironment(folder)).rejects.toThrow(`${folder} is a folder`);
    await expect(readEnvironment(join(folder, 'none'))).rejects.toThrow(`there is no file ${join(folder, 'none')}`);
  });
});

import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { AUTHORITY } from '../providers/http/fixtures/private-ca.ts';
import { readEnvironment } from './environment-file.ts';

const trusted = tls.getCACertificates('default');
afterEach(() => {
  tls.setDefaultCACertificates(trusted);
  for (const name of ['HTTPS_PROXY', 'NO_PROXY', 'NODE_EXTRA_CA_CERTS']) delete process.env[name];
});

async function fileOf(name: string, text: string): Promise<string> {
  const path = join(tmpdir(), `crossfade-${process.pid}-${name}`);
  await writeFile(path, text);
  onTestFinished(() => rm(path));
  return path;
}

describe('an environment file', () => {
  it('sets the proxy for whatever makes requests afterwards, unless it is set outside', async () => {
    process.env['NO_PROXY'] = 'outside.example';
    await readEnvironment(
      await fileOf('proxy.env', 'HTTPS_PROXY=http://proxy.example:3128\nNO_PROXY=inside.example\n'),
    );
    expect([process.env['HTTPS_PROXY'], process.env['NO_PROXY']]).toEqual([
      'http://proxy.example:3128',
      'outside.example',
    ]);
  });

  it('names authorities that are trusted from then on', async () => {
    const authority = await fileOf('authority.pem', AUTHORITY);
    await readEnvironment(await fileOf('authority.env', `NODE_EXTRA_CA_CERTS=${authority}\n`));
    expect(tls.getCACertificates('default').map((one) => one.trim())).toContain(AUTHORITY);
    // Whom Node trusted before is trusted still.
    expect(tls.getCACertificates('default').length).toBeGreaterThan(50);
  });

  it.each([
    ['is not there', join(tmpdir(), 'no-authority.pem'), /no such file/],
    ['holds none', join(import.meta.dirname, 'main.ts'), /holds no PEM certificate/],
  ])('whose file of authorities %s is refused with the path', async (_name, path, reason) => {
    const failed = readEnvironment(await fileOf('broken.env', `NODE_EXTRA_CA_CERTS=${path}\n`));
    await expect(failed).rejects.toThrow(reason);
    await expect(failed).rejects.toMatchObject({
      code: 'CROSSFADE_CA_UNREADABLE',
      message: expect.stringContaining(path),
    });
  });
});

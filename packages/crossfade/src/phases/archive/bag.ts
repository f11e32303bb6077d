import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';

/** Writes files as a BagIt 1.0 bag (RFC 8493): `data/` and manifests by SHA-256. A bag that was there is replaced. */
export async function writeBag(
  folder: string,
  files: readonly { path: string; content: string | Uint8Array }[],
  info: Readonly<Record<string, string>>,
): Promise<{ files: number; bytes: number }> {
  await rm(folder, { recursive: true, force: true });
  let bytes = 0;
  const manifest: string[] = [];
  for (const { path, content } of files) {
    const target = join(folder, 'data', path);
    await mkdir(dirname(target), { recursive: true });
    const buffer = Buffer.from(content);
    await writeFile(target, buffer);
    bytes += buffer.byteLength;
    manifest.push(`${sha256(buffer)}  data/${path}`);
  }
  const tags: Record<string, string> = {
    'bagit.txt': 'BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n',
    'bag-info.txt': Object.entries({ ...info, 'Payload-Oxum': `${bytes}.${files.length}` })
      .map(([name, value]) => `${name}: ${value}\n`)
      .join(''),
    'manifest-sha256.txt': `${manifest.toSorted().join('\n')}\n`,
  };
  for (const [name, content] of Object.entries(tags)) await writeFile(join(folder, name), content);
  const tagManifest = Object.entries(tags).map(([name, content]) => `${sha256(Buffer.from(content))}  ${name}\n`);
  await writeFile(join(folder, 'tagmanifest-sha256.txt'), tagManifest.join(''));
  return { files: files.length, bytes };
}

/** Reads the bag anew and compares every file with the manifests; answers with what is wrong, nothing when it is whole. */
export async function verifyBag(folder: string): Promise<{ files: number; wrong: string[] }> {
  const wrong: string[] = [];
  const listed = new Set<string>();
  for (const manifest of ['manifest-sha256.txt', 'tagmanifest-sha256.txt']) {
    for (const line of (await readFile(join(folder, manifest), 'utf8')).split('\n').filter((one) => one !== '')) {
      const [expected = '', path = ''] = line.split(/ {2}(.*)/s);
      if (manifest === 'manifest-sha256.txt') listed.add(path);
      const content = await readFile(join(folder, path)).catch(() => null);
      if (content === null) wrong.push(`${path}: missing`);
      else if (sha256(content) !== expected) wrong.push(`${path}: other bytes than the manifest says`);
    }
  }
  for (const path of await filesBelow(join(folder, 'data'))) {
    const name = `data/${relative(join(folder, 'data'), path).split(sep).join('/')}`;
    if (!listed.has(name)) wrong.push(`${name}: not in the manifest`);
  }
  return { files: listed.size, wrong };
}

/** Every file below a folder, recursively; none when the folder does not exist. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return [];
      throw error;
    },
  );
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

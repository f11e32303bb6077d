import { access, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

it('docs/what-if.md names only tests that are there', async () => {
  const text = await readFile(`${ROOT}docs/what-if.md`, 'utf8');
  const named = [...text.matchAll(/`([\w/.-]+\.test\.ts)`/g)].map(([, file = '']) => file);
  expect(named.length).toBeGreaterThan(30);
  for (const file of new Set(named)) {
    const path = file.startsWith('apps/') ? file : `packages/crossfade/src/${file}`;
    await expect(access(`${ROOT}${path}`), file).resolves.toBeUndefined();
  }
});

import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { KEPT, openFindings, type Finding } from './findings.ts';

async function place(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-findings-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'deeper/report.jsonl');
}

it('counts all findings, keeps the first thousand of each kind, and writes every one', async () => {
  const file = await place();
  const findings = openFindings(file);
  const all: Finding[] = Array.from({ length: KEPT + 500 }, (_, index) => ({ kind: 'missing', key: `k${index}\n` }));
  await Promise.all([...all, { kind: 'extra' as const, key: 'x' }].map((one) => findings.add(one)));
  expect(findings.counts).toMatchObject({ missing: KEPT + 500, extra: 1, different: 0 });
  expect([findings.first('missing').length, findings.first('extra').length]).toEqual([KEPT, 1]);
  const read: Finding[] = [];
  for await (const one of findings.all()) read.push(one);
  expect(read).toEqual([...all, { kind: 'extra', key: 'x' }]);
  await findings.close();
  expect((await readFile(file, 'utf8')).split('\n')).toHaveLength(KEPT + 502);
});

it('leaves no file behind when there is nothing to tell', async () => {
  const file = await place();
  const findings = openFindings(file);
  await findings.close();
  expect(findings.file).toBeNull();
  await expect(access(file)).rejects.toThrow('ENOENT');
});

it('a report that cannot be written fails whoever adds to it', async () => {
  const findings = openFindings('/dev/null/report.jsonl');
  await expect(findings.add({ kind: 'missing', key: 'a' })).rejects.toThrow(/ENOTDIR|EEXIST/);
  await findings.close();
});

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { openWriteRecord, type WriteRecord } from './write-record.ts';

async function emptyRecord(): Promise<{ record: WriteRecord; file: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'writes-'));
  const file = join(folder, 'writes.ndjson');
  const record = await openWriteRecord(file);
  onTestFinished(async () => {
    await record.written();
    await rm(folder, { recursive: true });
  });
  return { record, file };
}
const upload = { key: 'a', kind: 'upload', sha256: 'one', side: 'edge' } as const;
const overwrite = { ...upload, kind: 'overwrite', sha256: 'two' } as const;
const remove = { ...upload, kind: 'delete', sha256: null } as const;
const may = (record: WriteRecord) => record.truths().map((one) => one.may);

it('holds for each key the last operation that succeeded', async () => {
  const { record } = await emptyRecord();
  record.begin(upload)('succeeded');
  expect(record.truths()).toMatchObject([{ key: 'a', may: ['one'], last: 'upload' }]);
  record.begin(overwrite)('succeeded');
  expect(record.truths()).toMatchObject([{ key: 'a', may: ['two'], last: 'overwrite' }]);
  record.begin(remove)('succeeded');
  expect(record.truths()).toMatchObject([{ key: 'a', may: [null], last: 'delete', side: 'edge' }]);
});

it('takes either state where the answer was lost, and the one before where it was refused', async () => {
  const { record } = await emptyRecord();
  record.begin(upload)('succeeded');
  record.begin(remove)('refused');
  expect(may(record)).toEqual([['one']]);
  record.begin(overwrite)('unknown');
  expect(may(record)).toEqual([['one', 'two']]);
  record.begin({ ...upload, key: 'b' })('unknown');
  expect(may(record)[1]).toEqual([null, 'one']);
});

it('takes either state while an operation is on its way, and its version rises when that ends', async () => {
  const { record } = await emptyRecord();
  const end = record.begin(upload);
  const [before] = record.truths();
  expect(before?.may).toEqual([null, 'one']);
  end('succeeded');
  expect(record.truths()[0]?.version).toBeGreaterThan(before?.version ?? 0);
});

it('counts what succeeded on each side, and is the same when it is opened again', async () => {
  const { record, file } = await emptyRecord();
  record.begin({ ...upload, side: 'legacy' })('succeeded');
  record.begin(overwrite)('succeeded');
  record.begin(remove)('unknown');
  record.begin({ ...upload, key: 'b' });
  expect(record.counts()).toEqual({
    legacy: { uploads: 1, overwrites: 0, deletes: 0 },
    edge: { uploads: 0, overwrites: 1, deletes: 0 },
  });
  await record.written();
  const again = await openWriteRecord(file);
  expect(again.truths()).toEqual(record.truths());
  expect(again.counts()).toEqual(record.counts());
  expect(again.writes()).toEqual(record.writes());
});

import { expect, it } from 'vitest';
import { memoryStore } from '../fixtures/memory-store.ts';
import { marking } from './object-marks.ts';
import { stillMissing } from './still-missing.ts';
import { metaOf } from '../../providers/object-meta.ts';

const META = metaOf({ contentType: 'audio/wav' });
const stores = () => {
  const [r2, legacy] = [memoryStore('r2'), memoryStore('legacy')];
  const keys = ['a'];
  return {
    r2,
    legacy,
    look: () => stillMissing({ r2, legacy, concurrency: 2, signal: AbortSignal.timeout(60_000) }, keys),
  };
};

it('names what legacy lacks, and what it has in an older version', async () => {
  const { r2, legacy, look } = stores();
  r2.place('a', 'one');
  expect(await look()).toEqual(['a']);
  legacy.place('a', 'old', { lastModified: new Date(0).toISOString() });
  expect(await look()).toEqual(['a']);
});

it('names what the mirror wrote and R2 has otherwise, however young that is', async () => {
  const { r2, legacy, look } = stores();
  r2.place('a', 'new');
  await marking(legacy, 'etag').put('a', Buffer.from('old'), 3, META);
  expect(await look()).toEqual(['a']);
});

it('takes what was deleted, mirrored or written over in legacy meanwhile for what it is', async () => {
  const { r2, legacy, look } = stores();
  expect(await look()).toEqual([]);
  r2.place('a', 'one');
  legacy.place('a', 'one');
  expect(await look()).toEqual([]);
  legacy.place('a', 'two');
  expect(await look()).toEqual([]);
});

it('waits for a delete that has reached legacy and not R2 yet', async () => {
  const { r2, look } = stores();
  r2.place('a', 'one');
  const looked = look();
  setTimeout(() => void r2.delete('a'), 300);
  expect(await looked).toEqual([]);
});

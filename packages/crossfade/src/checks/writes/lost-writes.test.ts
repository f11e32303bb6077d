import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import type { AudienceProvider, ToldKey, ToldWrite } from '../../providers/providers.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { memoryStore, type MemoryStore } from '../../transfer/fixtures/memory-store.ts';
import { countLost } from '../../phases/rollback/lost-uploads.ts';
import { compareWrites } from './lost-writes.ts';
import { writesKeptCheck } from './writes-kept-check.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A legacy store, R2 and rows as a rollback may leave them, and what the uploaders were told. */
function leftBehind(told: () => readonly ToldKey[], rows: readonly string[], writes: readonly ToldWrite[] = []) {
  const [legacy, r2] = [memoryStore('legacy'), memoryStore('r2')];
  const notes: unknown[] = [];
  const audience = { told: async () => ({ keys: told(), writes }) };
  const production = {
    // What Postgres answers: the rows among the keys that are asked for.
    query: async (_text: string, values: readonly unknown[]) =>
      rows.filter((key) => Array.isArray(values[1]) && values[1].includes(key)).map((key) => ({ key })),
  };
  const context = {
    config: { environments: { production: { supabase: { bucket: 'media' } } }, transfer: { concurrency: 4 } },
    keep: async (path: string) => path,
    record: async (entry: { data: unknown }) => void notes.push(entry.data),
    providers: {
      audience: audience as unknown as AudienceProvider,
      database: { production },
      legacyStore: legacy,
      r2: { production: r2 },
    },
  } as unknown as RolloutContext;
  return { legacy, r2, context, notes, compare: () => compareWrites(context, { holds: legacy, also: [r2] }) };
}
const key = (name: string, last: ToldKey['last'], ...may: (string | null)[]): ToldKey => ({
  key: name,
  may: may.map((text) => (text === null ? null : sha256(text))),
  last,
  side: 'edge',
  version: 1,
});
const place = (store: MemoryStore, ...objects: [string, string][]): void =>
  objects.forEach(([name, text]) => store.place(name, text));

it('finds nothing lost where legacy holds the last bytes and their rows, and of what was deleted nothing is left', async () => {
  const told = [key('a', 'upload', 'one'), key('b', 'overwrite', 'new'), key('c', 'delete', null)];
  const { legacy, compare } = leftBehind(() => told, ['a', 'b']);
  place(legacy, ['a', 'one'], ['b', 'new']);
  expect(await compare()).toEqual({ keys: 3, uncertain: 0, lost: [] });
});

it('counts an upload that is missing, one with other bytes, and an overwrite that is as it was before', async () => {
  const told = [key('a', 'upload', 'one'), key('b', 'upload', 'two'), key('c', 'overwrite', 'new')];
  const { legacy, compare } = leftBehind(() => told, ['a', 'b', 'c']);
  place(legacy, ['b', 'twO'], ['c', 'old']);
  expect((await compare())?.lost.toSorted((x, y) => x.key.localeCompare(y.key))).toEqual([
    { key: 'a', kind: 'upload', reason: 'missing in legacy' },
    { key: 'b', kind: 'upload', reason: 'other bytes in legacy' },
    { key: 'c', kind: 'overwrite', reason: 'other bytes in legacy' },
  ]);
});

it('counts a delete that legacy still holds, one that R2 still holds, and one whose row is still there', async () => {
  const told = ['a', 'b', 'c'].map((name) => key(name, 'delete', null));
  const { legacy, r2, compare } = leftBehind(() => told, ['c']);
  place(legacy, ['a', 'one']);
  place(r2, ['b', 'two']);
  expect((await compare())?.lost.toSorted((x, y) => x.key.localeCompare(y.key))).toEqual([
    { key: 'a', kind: 'delete', reason: 'still in legacy' },
    { key: 'b', kind: 'delete', reason: 'still in r2' },
    { key: 'c', kind: 'delete', reason: 'its row is still there' },
  ]);
});

it('does not count what R2 keeps of a file that the old app deleted after the rollback: it does not reach R2', async () => {
  const { r2, compare } = leftBehind(() => [{ ...key('a', 'delete', null), side: 'legacy' }], []);
  place(r2, ['a', 'one']);
  expect((await compare())?.lost).toEqual([]);
});

it('counts an upload whose row is missing: its owner cannot find it', async () => {
  const { legacy, compare } = leftBehind(() => [key('a', 'upload', 'one')], []);
  place(legacy, ['a', 'one']);
  expect((await compare())?.lost).toEqual([{ key: 'a', kind: 'upload', reason: 'its row is missing' }]);
});

it('counts nothing where an answer was lost and either state is there, but a third one', async () => {
  const told = [
    key('deleted or not', 'upload', 'one', null),
    key('gone', 'upload', 'one', null),
    key('old or new', 'upload', 'old', 'new'),
    key('neither', 'upload', 'old', 'new'),
  ];
  const { legacy, compare } = leftBehind(() => told, []);
  place(legacy, ['deleted or not', 'one'], ['old or new', 'new'], ['neither', 'else']);
  expect(await compare()).toEqual({
    keys: 4,
    uncertain: 4,
    lost: [{ key: 'neither', kind: 'upload', reason: 'other bytes in legacy' }],
  });
});

it('looks again at what was written while it was looked at', async () => {
  let times = 0;
  const states = [key('a', 'upload', 'one'), { ...key('a', 'overwrite', 'two'), version: 3 }];
  const { legacy, compare } = leftBehind(() => [states[Math.min(times++, 1)] ?? key('a', null)], ['a']);
  place(legacy, ['a', 'two']);
  expect((await compare())?.lost).toEqual([]);
  expect(times).toBeGreaterThan(1);
});

it('a rollback counts them by kind, and what was at stake until the first sign of trouble', async () => {
  const at = (second: number): string => new Date(Date.UTC(2026, 0, 1, 0, 0, second)).toISOString();
  const write = (kind: ToldWrite['kind'], second: number, over: Partial<ToldWrite> = {}): ToldWrite => ({
    key: 'a',
    kind,
    side: 'edge',
    at: at(second),
    outcome: 'succeeded',
    ...over,
  });
  const told = [key('a', 'upload', 'one'), key('b', 'overwrite', 'new'), key('c', 'delete', null)];
  const { legacy, context, notes } = leftBehind(
    () => told,
    ['a', 'b'],
    [
      write('upload', 1, { side: 'legacy' }),
      write('upload', 2),
      write('overwrite', 3),
      write('delete', 4, { outcome: 'unknown' }),
      write('delete', 5),
      write('upload', 6),
    ],
  );
  place(legacy, ['a', 'one'], ['b', 'old'], ['c', 'one']);
  expect(await countLost(context, at(5))).toEqual({
    lostUploads: 1,
    lostOverwrites: 1,
    lostDeletes: 1,
    sinceSwitch: { uploads: 1, overwrites: 1, deletes: 1, unknown: 1 },
  });
  expect(notes).toEqual([{ text: 'lost: overwrite of b (other bytes in legacy), delete of c (still in legacy)' }]);
});

it('the watch does not end well when R2 lacks what an uploader was told', async () => {
  const { r2, context } = leftBehind(() => [key('a', 'upload', 'one')], ['a']);
  expect(await writesKeptCheck().run(context)).toMatchObject({
    status: 'fail',
    measured: { lost: [{ key: 'a', kind: 'upload', reason: 'missing in r2' }] },
  });
  place(r2, ['a', 'one']);
  expect(await writesKeptCheck().run(context)).toMatchObject({ status: 'pass', evidence: ['watch/lost-writes.json'] });
  const nobody = leftBehind(() => [], []);
  expect(await writesKeptCheck().run(nobody.context)).toMatchObject({ status: 'skipped' });
});

it('where nobody outside kept count, the deletes that the mirror could not prove are what is lost', async () => {
  const event = (seq: number, kind: string, data: object) => ({ seq, kind, data });
  const rested = (seq: number, unproven: number) => event(seq, 'mirror.rested', { unproven });
  const withJournal = (...history: object[]) =>
    ({
      ...context,
      providers: { ...context.providers, audience: null },
      history: async () => history,
    }) as RolloutContext;
  const { context } = leftBehind(() => [], []);
  const lost = async (...history: object[]) => (await countLost(withJournal(...history), '')).lostDeletes;
  expect(await lost(event(1, 'rollback.decided', {}), rested(2, 3))).toBe(3);
  // What an earlier rollback found says nothing of this one.
  expect(await lost(rested(1, 0), event(2, 'rollback.decided', {}))).toBeNull();
  expect(await countLost(withJournal(event(1, 'rollback.decided', {}), rested(2, 0)), '')).toEqual({
    lostUploads: null,
    lostOverwrites: null,
    lostDeletes: 0,
    sinceSwitch: null,
  });
});

it('where nobody outside kept count, what legacy refused is lost for certain', async () => {
  const { context } = leftBehind(() => [], []);
  const rested = { copied: 0, deleted: 0, kept: 0, unproven: 0, refused: 2, lagSeconds: 0 };
  const history = [
    { seq: 1, kind: 'rollback.decided', data: {} },
    { seq: 2, kind: 'mirror.rested', data: rested },
  ];
  const providers = { ...context.providers, audience: null };
  // The check asks the journal for nothing else.
  const asked = { ...context, providers, history: async () => history } as unknown as RolloutContext;
  expect(await countLost(asked, '')).toMatchObject({ lostUploads: 2, lostDeletes: 0 });
});

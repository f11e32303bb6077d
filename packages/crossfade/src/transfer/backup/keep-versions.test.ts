import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { backupWorld, base, contents } from '../fixtures/backup-world.ts';
import { makeBase } from './keep-versions.ts';
import { keepObject } from './object-versions.ts';

const { signal } = new AbortController();

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

describe('keeping versions', () => {
  it('does nothing for an event that came before', async () => {
    const at = backupWorld();
    await base(at);
    const event = at.put('one', '1');
    await at.keep(event);
    const before = contents(at.backup);
    at.media.place('one', 'another');
    await at.keep(event);
    expect(contents(at.backup)).toEqual(before);
  });

  it('copies nothing again for a base that is made anew', async () => {
    const at = backupWorld();
    at.put('one', '1');
    at.put('two', '2');
    const make = () => makeBase({ media: at.media, backup: at.backup, signal }, 4);
    expect(await make()).toMatchObject({ objects: 2, copied: 2 });
    await at.keep(at.put('two', 'two'));
    expect(await make()).toMatchObject({ objects: 2, copied: 0 });
  });

  it('keeps nothing of an object that changes while it is read', async () => {
    const at = backupWorld();
    at.put('one', 'first');
    const { etag } = at.media.objects.get('one') ?? { etag: '' };
    at.media.onGet = () => {
      at.media.place('one', 'again', { etag: 'not-an-md5' });
      return null;
    };
    at.media.place('one', 'first', { etag: 'composite-2' });
    expect(
      await keepObject(at.media, at.backup, { key: 'one', etag: 'composite-2', at: new Date().toISOString() }, signal),
    ).toBeNull();
    expect(
      await keepObject(at.media, at.backup, { key: 'one', etag, at: new Date().toISOString() }, signal),
    ).toBeNull();
    expect([...at.backup.objects.keys()]).toEqual([]);
  });
});

import { expect, it } from 'vitest';
import { memoryStore } from './fixtures/memory-store.ts';
import { prefixedStore } from './prefixed-store.ts';
import { NO_META } from '../providers/object-meta.ts';

async function keysOf(listing: AsyncIterable<{ key: string }>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of listing) keys.push(key);
  return keys;
}

it('a store below a prefix has keys of its own, and touches no others', async () => {
  const whole = memoryStore('r2');
  for (const key of ['users/1/a', 'users/1/b', 'users/2/a', 'users', 'other']) whole.place(key, key);
  const users = prefixedStore(whole, 'users/');
  expect(await keysOf(users.list())).toEqual(['1/a', '1/b', '2/a']);
  expect(await keysOf(users.list('1/', '1/a'))).toEqual(['1/b']);
  expect([await users.head('other'), (await users.head('1/a'))?.key, (await users.get('1/a'))?.key]).toEqual([
    null,
    '1/a',
    '1/a',
  ]);
  await users.put('3', Buffer.from('x'), 1, NO_META);
  await users.delete('2/a');
  expect([...whole.objects.keys()].sort()).toEqual(['other', 'users', 'users/1/a', 'users/1/b', 'users/3']);
});

it('only what begins with the wanted text is listed, whatever prefix is asked for besides', async () => {
  const whole = memoryStore('r2');
  for (const key of ['users/1/a', 'users/12', 'users/2/a']) whole.place(key, key);
  const some = prefixedStore(whole, 'users/', '1');
  expect(await keysOf(some.list())).toEqual(['1/a', '12']);
  expect(await keysOf(some.list('1/'))).toEqual(['1/a']);
  expect(await keysOf(some.list('2'))).toEqual([]);
});

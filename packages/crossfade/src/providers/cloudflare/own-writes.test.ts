import { describe, expect, it } from 'vitest';
import { createOwnWrites } from './own-writes.ts';

describe('a reader that has written itself', () => {
  it('asks again while the answer is older than what it wrote', async () => {
    const answers = [['old'], ['old'], ['old', 'mine']];
    const reader = createOwnWrites<readonly string[]>(0);
    reader.note('list', (list) => list.includes('mine'));
    expect(await reader.read('list', async () => answers.shift() ?? [])).toEqual(['old', 'mine']);
  });

  it('believes in the end that somebody else has changed it, and then at once', async () => {
    let asked = 0;
    const reader = createOwnWrites<string>(0);
    reader.note('record', (record) => record === 'mine');
    const theirs = async (): Promise<string> => {
      asked++;
      return 'theirs';
    };
    expect(await reader.read('record', theirs)).toBe('theirs');
    expect(asked).toBe(4);
    await reader.read('record', theirs);
    await reader.read('another', theirs);
    expect(asked).toBe(6);
  });
});

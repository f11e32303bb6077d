import { array, assert, asyncProperty, constantFrom, nat, record } from 'fast-check';
import { expect, it } from 'vitest';
import { refusal, StudioError } from './studio-error.ts';
import { file, fixture } from './upload-queue.fixture.ts';
import type { UploadQueue } from './upload-queue.ts';

const FILES = [file(4, 'small.wav'), file(35, 'large.wav'), file(25, 'other.wav')];

/** What a person and the world may do, in any order. */
type Happening = 'add' | 'pause' | 'resume' | 'cancel' | 'offline' | 'online' | 'signed in' | 'time' | 'reload';
const happening = record({
  what: constantFrom<Happening>(
    'add',
    'add',
    'pause',
    'resume',
    'cancel',
    'offline',
    'online',
    'signed in',
    'time',
    'reload',
  ),
  file: nat(FILES.length - 1),
});
const fault = constantFrom<StudioError | null>(
  null,
  null,
  null,
  new StudioError('UNREACHABLE'),
  new StudioError('INTERNAL'),
  refusal(503, 'DATABASE_UNAVAILABLE', '1'),
  refusal(403, 'SIGNATURE_EXPIRED', null),
  refusal(401, 'TOKEN_EXPIRED', null),
  refusal(409, 'UPLOAD_INCOMPLETE', null),
);

it('whatever people press and whatever fails, every file arrives in the end, and nothing begun is forgotten', async () => {
  const way = record({
    happenings: array(happening, { maxLength: 25 }),
    faults: array(fault, { maxLength: 25 }),
  });
  await assert(
    asyncProperty(way, async ({ happenings, faults }) => {
      const { make, hooks, asked, clock, opened, there } = fixture();
      const coming = [...faults];
      const fail = async (): Promise<void> => {
        await Promise.resolve();
        const error = coming.shift() ?? null;
        if (error !== null) throw error;
      };
      Object.assign(hooks, { begin: fail, send: fail, complete: fail });
      let queue = make();
      for (const { what, file: index } of happenings) {
        act(what, index);
        for (let turns = 0; turns < 4; turns++) await Promise.resolve();
        const { list, obstacles } = queue.uploads();
        if (obstacles.length > 0)
          expect(list.filter(({ state }) => state === 'sending' || state === 'queued')).toEqual([]);
      }
      // Now nothing is in the way any more.
      coming.length = 0;
      clear(queue);
      await idle(queue);
      for (const one of FILES) {
        const upload = queue.uploads().list.find(({ name }) => name === one.name);
        if (upload === undefined || upload.state === 'left') queue.add(one, 'audio/wav');
        else queue.resume(upload.id);
      }
      await idle(queue);
      expect(
        queue
          .uploads()
          .list.map(({ name, state }) => `${name} ${state}`)
          .toSorted(),
      ).toEqual(FILES.map(({ name }) => `${name} done`).toSorted());
      const ended = new Set(asked.filter((one) => one.startsWith('abort')).map((one) => one.split(' ')[1]));
      const lost = [...opened].filter((key) => !ended.has(key) && !there.has(key));
      // Only a page that is left can lose what it opened, and only what it had no time to write down.
      const reloads = happenings.filter(({ what }) => what === 'reload').length;
      expect(lost.length).toBeLessThanOrEqual(reloads * FILES.length);

      function act(what: Happening, index: number): void {
        const { id } = queue.uploads().list[index] ?? { id: 'nobody' };
        const chosen = FILES[index];
        if (what === 'add' && chosen !== undefined) queue.add(chosen, 'audio/wav');
        else if (what === 'pause' || what === 'resume' || what === 'cancel') queue[what](id);
        else if (what === 'offline' || what === 'online') queue.setObstacle('offline', what === 'offline');
        else if (what === 'signed in') queue.setObstacle('sign-in', false);
        else if (what === 'time') clock.now += 2 * 3_600_000;
        else if (what === 'reload') {
          queue.close();
          queue = make();
        }
      }
    }),
    { numRuns: 300 },
  );
});

function clear(queue: UploadQueue): void {
  queue.setObstacle('offline', false);
  queue.setObstacle('sign-in', false);
}

/** Until nothing is under way. */
async function idle(queue: UploadQueue): Promise<void> {
  for (let turns = 0; turns < 500; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    // A sign-in that was asked for in the meantime is given.
    queue.setObstacle('sign-in', false);
    const { list } = queue.uploads();
    if (list.every(({ state }) => state !== 'sending' && state !== 'queued' && state !== 'held')) return;
  }
  throw new Error(`never idle: ${JSON.stringify(queue.uploads())}`);
}

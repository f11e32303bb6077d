import { describe, expect, it, vi } from 'vitest';
import { StudioError } from './studio-error.ts';
import { failing, file, fixture, never, newest, reaches, sent, settled, soon } from './upload-queue.fixture.ts';
import { uploadId } from './upload-state.ts';

describe('an upload', () => {
  it('of a small file goes in one piece, of a large one in parts', async () => {
    const { make, arrived, completed, asked, outcomes } = fixture();
    const queue = make();
    queue.add(file(4, 'small.wav'), 'audio/wav');
    queue.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(queue.uploads().list.map((one) => one.state)).toEqual(['done', 'done']));
    expect(arrived.toSorted()).toEqual(['part-1 10', 'part-2 10', 'part-3 5', 'whole-1 4']);
    expect(completed).toEqual([[1, 2, 3].map((part) => ({ part, etag: `etag-part-${part}` }))]);
    expect(asked.filter((one) => one.startsWith('abort'))).toEqual([]);
    expect(outcomes.map((one) => one.error)).toEqual([null, null]);
  });

  it('says how far it is while its bytes go', async () => {
    const { make, hooks } = fixture();
    hooks.send = async ({ url, onProgress, signal }) => {
      onProgress(url === 'part-3' ? 5 : 4);
      await never({ signal });
    };
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(sent(queue)).toBe(4 + 4 + 5));
    expect(newest(queue)).toMatchObject({ state: 'sending', arrived: { 1: 4, 2: 4, 3: 5 } });
  });

  it('sends at most three parts at once, over all files', async () => {
    const { make, mostSending, arrived } = fixture();
    const queue = make();
    queue.add(file(100, 'one.wav'), 'audio/wav');
    queue.add(file(100, 'two.wav'), 'audio/wav');
    queue.add(file(1, 'three.wav'), 'audio/wav');
    expect(queue.uploads().list.map((one) => one.state)).toEqual(['sending', 'sending', 'queued']);
    await vi.waitFor(() => expect(arrived).toHaveLength(21));
    expect(mostSending()).toBe(3);
  });

  it('that was sent past the Worker is told to it', async () => {
    const { make, hooks, asked } = fixture();
    hooks.pastTheWorker = true;
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'done');
    expect(asked).toEqual(['begin set.wav', 'arrived key-1']);
  });
});

describe('a pause', () => {
  it('keeps the finished parts, and goes on with the missing ones alone', async () => {
    const { make, hooks, arrived, asked } = fixture();
    hooks.send = ({ url, onProgress, signal }) => {
      onProgress(7);
      return url === 'part-1' ? soon() : never({ signal });
    };
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(arrived).toEqual(['part-1 10']));
    queue.pause(newest(queue).id);
    expect([newest(queue).state, sent(queue)]).toEqual(['paused', 10]);
    hooks.send = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
    expect(arrived.toSorted()).toEqual(['part-1 10', 'part-2 10', 'part-3 5']);
    expect(asked.filter((one) => one.startsWith('begin'))).toHaveLength(1);
  });

  it('of a whole file begins its bytes again, with the same link while that lives', async () => {
    const { make, hooks, arrived, asked } = fixture();
    hooks.send = never;
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await settled();
    queue.pause(newest(queue).id);
    expect(sent(queue)).toBe(0);
    hooks.send = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
    expect([asked, arrived]).toEqual([['begin set.wav'], ['whole-1 4']]);
  });

  it('that outlasts the link takes a new one, and gives the old one back', async () => {
    const { make, hooks, arrived, asked, clock } = fixture();
    hooks.send = never;
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await settled();
    queue.pause(newest(queue).id);
    clock.now += 2 * 3_600_000;
    hooks.send = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
    expect(asked).toEqual(['begin set.wav', 'abort key-1 null', 'begin set.wav']);
    expect(arrived).toEqual(['whole-2 4']);
  });

  it('while the Worker opens the upload does not open a second one', async () => {
    const { make, hooks, asked } = fixture();
    const opening = Promise.withResolvers<void>();
    hooks.begin = () => opening.promise;
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await settled();
    queue.pause(newest(queue).id);
    queue.resume(newest(queue).id);
    opening.resolve();
    await reaches(queue, 'done');
    expect(asked.filter((one) => one.startsWith('begin'))).toHaveLength(1);
  });

  it('that comes too late finds the upload done', async () => {
    const { make, hooks, completed } = fixture();
    const completing = Promise.withResolvers<void>();
    hooks.complete = () => completing.promise;
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(sent(queue)).toBe(25));
    await settled();
    queue.pause(newest(queue).id);
    completing.resolve();
    await reaches(queue, 'done');
    expect(completed).toHaveLength(1);
  });
});

describe('a reload of the page', () => {
  it('shows what is unfinished, and goes on when the same file is chosen again', async () => {
    const { make, hooks, arrived, kept, asked } = fixture();
    hooks.send = ({ url, signal }) => (url === 'part-3' ? never({ signal }) : soon());
    const before = make();
    before.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(kept.get(uploadId(file(25)))?.unfinished.done).toHaveLength(2));
    before.close();
    hooks.send = soon;
    const after = make();
    expect([newest(after).state, sent(after)]).toEqual(['left', 20]);
    after.add(file(25), 'audio/wav');
    await reaches(after, 'done');
    expect(arrived.toSorted()).toEqual(['part-1 10', 'part-2 10', 'part-3 5']);
    expect(asked.filter((one) => one.startsWith('begin'))).toHaveLength(1);
    expect(kept.size).toBe(0);
  });

  it('begins anew when the earlier upload is over', async () => {
    const { make, hooks, arrived, asked } = fixture();
    hooks.complete = vi.fn<() => Promise<void>>(soon).mockRejectedValueOnce(new StudioError('UPLOAD_INVALID'));
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await reaches(queue, 'done');
    expect(asked).toContain('abort key-1 id-1');
    expect(asked.filter((one) => one.startsWith('begin'))).toHaveLength(2);
    expect(arrived).toHaveLength(6);
  });

  it('lets an unfinished upload be given up without its file', async () => {
    const { make, hooks, kept, asked } = fixture();
    hooks.send = never;
    const before = make();
    before.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(kept.size).toBe(1));
    before.close();
    const after = make();
    after.cancel(uploadId(file(25)));
    expect([after.uploads().list, kept.size]).toEqual([[], 0]);
    expect(asked).toContain('abort key-1 id-1');
  });
});

describe('giving up', () => {
  it('forgets the upload and gives its quota back', async () => {
    const { make, hooks, asked, kept } = fixture();
    hooks.send = never;
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await vi.waitFor(() => expect(kept.size).toBe(1));
    queue.cancel(newest(queue).id);
    await settled();
    expect([queue.uploads().list, kept.size]).toEqual([[], 0]);
    expect(asked).toContain('abort key-1 id-1');
  });

  it('while the Worker opens the upload gives back what it opened', async () => {
    const { make, hooks, asked, kept, arrived } = fixture();
    const opening = Promise.withResolvers<void>();
    hooks.begin = () => opening.promise;
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await settled();
    queue.cancel(newest(queue).id);
    opening.resolve();
    await settled();
    expect(asked).toEqual(['begin set.wav', 'abort key-1 null']);
    expect([arrived, kept.size]).toEqual([[], 0]);
  });

  it('hides an upload that is done, and takes nothing back', async () => {
    const { make, asked } = fixture();
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'done');
    queue.cancel(newest(queue).id);
    expect([queue.uploads().list, asked]).toEqual([[], ['begin set.wav']]);
  });
});

describe('an obstacle', () => {
  it('of the network holds uploads back, new ones too, and lets them go on by itself', async () => {
    const { make, hooks, arrived } = fixture();
    hooks.send = never;
    const queue = make();
    queue.add(file(4, 'one.wav'), 'audio/wav');
    queue.setObstacle('offline', true);
    queue.add(file(4, 'two.wav'), 'audio/wav');
    expect(queue.uploads().list.map((one) => one.state)).toEqual(['held', 'held']);
    hooks.send = soon;
    queue.setObstacle('offline', false);
    await vi.waitFor(() => expect(arrived).toHaveLength(2));
  });

  it('does not let go on what the person paused', () => {
    const { make } = fixture();
    const queue = make();
    queue.setObstacle('offline', true);
    queue.add(file(4), 'audio/wav');
    queue.pause(newest(queue).id);
    queue.setObstacle('offline', false);
    expect(newest(queue).state).toBe('paused');
  });

  it('of a sign-in that expired keeps the queue, and asks for a sign-in once', async () => {
    const { make, hooks, signIns, outcomes } = fixture();
    hooks.begin = failing(new StudioError('TOKEN_EXPIRED'));
    const queue = make();
    queue.add(file(4, 'one.wav'), 'audio/wav');
    queue.add(file(25, 'two.wav'), 'audio/wav');
    await vi.waitFor(() => expect(queue.uploads().list.map((one) => one.state)).toEqual(['held', 'held']));
    await settled();
    expect([signIns, outcomes]).toEqual([['TOKEN_EXPIRED'], []]);
    hooks.begin = soon;
    queue.setObstacle('sign-in', false);
    await vi.waitFor(() => expect(queue.uploads().list.map((one) => one.state)).toEqual(['done', 'done']));
  });
});

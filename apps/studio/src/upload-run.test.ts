import { describe, expect, it, vi } from 'vitest';
import { refusal, StudioError } from './studio-error.ts';
import { failing, file, fixture, newest, reaches, sent, settled, soon } from './upload-queue.fixture.ts';

describe('a try that fails', () => {
  it('is repeated three times with growing waits, then shown as failed, and can be retried', async () => {
    const { make, hooks, waits, outcomes } = fixture();
    hooks.send = failing(new StudioError('UNREACHABLE'));
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'failed');
    expect(waits).toEqual([500, 2000, 6000]);
    expect(newest(queue).message).toContain('cannot be reached');
    expect(outcomes.map((one) => one.error?.code)).toEqual(['UNREACHABLE']);
    hooks.send = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
  });

  it('waits as long as the API asks for', async () => {
    const { make, hooks, waits } = fixture();
    hooks.send = vi.fn<() => Promise<void>>(soon).mockRejectedValueOnce(refusal(429, 'RATE_LIMITED', '7'));
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'done');
    expect(waits).toEqual([7000]);
  });

  it('says meanwhile why and for how long it waits', async () => {
    const { hooks, clock, make } = fixture();
    hooks.begin = failing(refusal(503, 'DATABASE_UNAVAILABLE', '4'));
    const queue = make();
    const seen: unknown[] = [];
    queue.subscribe(() => seen.push(newest(queue).delays[0]));
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'failed');
    expect(seen).toContainEqual({ until: clock.now + 4000, message: expect.stringContaining('database') });
  });

  it('of one part leaves the other parts alone, and counts its bytes anew', async () => {
    const { make, hooks, arrived, waits } = fixture();
    let tries = 0;
    hooks.send = async ({ url, onProgress }) => {
      if (url !== 'part-2' || ++tries > 2) return;
      onProgress(9);
      throw refusal(502, null, null);
    };
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await reaches(queue, 'done');
    expect(waits).toEqual([500, 2000]);
    expect(arrived.toSorted()).toEqual(['part-1 10', 'part-2 10', 'part-3 5']);
  });

  it('for good keeps the finished parts for the retry', async () => {
    const { make, hooks, arrived } = fixture();
    hooks.send = async ({ url }) => {
      if (url === 'part-3') throw new StudioError('INTERNAL');
    };
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await reaches(queue, 'failed');
    expect(sent(queue)).toBe(20);
    hooks.send = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
    expect(arrived).toEqual(['part-1 10', 'part-2 10', 'part-3 5']);
  });

  it('is not repeated when repeating is useless', async () => {
    const { make, hooks, waits } = fixture();
    hooks.begin = failing(refusal(429, 'QUOTA_EXCEEDED', '30'));
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'failed');
    expect(waits).toEqual([]);
    expect(newest(queue).message).toContain('in 30 seconds');
  });
});

describe('a link that ended', () => {
  it('of a part is signed anew without waiting, and nothing else is sent again', async () => {
    const { make, hooks, asked, waits } = fixture();
    let refused = false;
    hooks.send = async ({ url }) => {
      if (url !== 'part-2' || refused) return;
      refused = true;
      throw refusal(403, 'SIGNATURE_EXPIRED', null);
    };
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await reaches(queue, 'done');
    expect(asked.toSorted()).toEqual(['begin set.wav', 'sign 1', 'sign 2', 'sign 2', 'sign 3']);
    expect(waits).toEqual([0]);
  });

  it('of a whole file is replaced, and the old one given back', async () => {
    const { make, hooks, asked } = fixture();
    hooks.send = vi.fn<() => Promise<void>>(soon).mockRejectedValueOnce(refusal(403, 'SIGNATURE_EXPIRED', null));
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'done');
    expect(asked).toEqual(['begin set.wav', 'abort key-1 null', 'begin set.wav']);
  });

  it('is believed to live when it has just come, however wrong the clock is', async () => {
    const { make, hooks, asked, clock } = fixture();
    hooks.begin = async () => void (clock.now -= 5 * 3_600_000);
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await settled();
    clock.now += 10 * 3_600_000;
    await reaches(queue, 'done');
    expect(asked).toEqual(['begin set.wav']);
  });
});

describe('an upload that is over', () => {
  it('begins anew once by itself, then waits for the person', async () => {
    const { make, hooks, asked, kept } = fixture();
    hooks.complete = failing(refusal(409, 'UPLOAD_INCOMPLETE', null));
    const queue = make();
    queue.add(file(25), 'audio/wav');
    await reaches(queue, 'failed');
    expect(asked.filter((one) => one.startsWith('begin'))).toHaveLength(2);
    expect(asked.filter((one) => one.startsWith('abort'))).toEqual(['abort key-1 id-1', 'abort key-2 id-2']);
    expect([sent(queue), kept.size]).toEqual([0, 0]);
    hooks.complete = soon;
    queue.resume(newest(queue).id);
    await reaches(queue, 'done');
  });

  it('because the file changed does not go on by itself', async () => {
    const { make, hooks, asked } = fixture();
    hooks.send = failing(refusal(400, 'LENGTH_MISMATCH', null));
    const queue = make();
    queue.add(file(4), 'audio/wav');
    await reaches(queue, 'failed');
    expect(asked).toEqual(['begin set.wav', 'abort key-1 null']);
    expect(newest(queue).message).toContain('Choose it again');
  });
});

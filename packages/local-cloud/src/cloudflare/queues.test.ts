import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { openQueues } from './queues.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'queues-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

describe('a queue', () => {
  it('hands out each message once while it is leased, and never again once it is acknowledged', async () => {
    const queues = await openQueues(folder);
    await queues.send('events', ['"a"', '"b"', '"c"']);
    const first = await queues.pull('events', 2, 60_000);
    const second = await queues.pull('events', 10, 60_000);
    expect([...first, ...second].map((one) => one.body)).toEqual(['"a"', '"b"', '"c"']);
    const leases = [...first, ...second].map((one) => one.leaseId);
    expect(await queues.settle('events', leases, [])).toEqual({ acked: 3, retried: 0 });
    expect(await queues.pull('events', 10, 1)).toEqual([]);
    expect(await queues.backlog('events')).toBe(0);
  });

  it('hands a message out again when its lease was given back, and counts the attempts', async () => {
    const queues = await openQueues(folder);
    await queues.send('events', ['1']);
    const [lease] = await queues.pull('events', 1, 60_000);
    expect(await queues.settle('events', [], [{ leaseId: lease?.leaseId ?? '', delayMs: 0 }])).toEqual({
      acked: 0,
      retried: 1,
    });
    expect(await queues.pull('events', 1, 60_000)).toMatchObject([{ body: '1', attempts: 2 }]);
  });

  it('hands out what is to come later only then', async () => {
    const queues = await openQueues(folder);
    await queues.send('events', ['1']);
    const [lease] = await queues.pull('events', 1, 60_000);
    await queues.settle('events', [], [{ leaseId: lease?.leaseId ?? '', delayMs: 50 }]);
    expect(await queues.pull('events', 1, 60_000)).toEqual([]);
    await vi.waitFor(async () => expect(await queues.pull('events', 1, 60_000)).toHaveLength(1));
  });

  it('does not count a lease that it never gave', async () => {
    const queues = await openQueues(folder);
    expect(await queues.settle('events', ['nobody'], [{ leaseId: 'nothing', delayMs: 0 }])).toEqual({
      acked: 0,
      retried: 0,
    });
  });

  it('keeps over a restart what was sent and not acknowledged, and leaves out a line that was cut short', async () => {
    const before = await openQueues(folder);
    await before.send('events', ['1', '2']);
    const [one] = await before.pull('events', 1, 60_000);
    await before.settle('events', [one?.leaseId ?? ''], []);
    const file = join(folder, 'events.jsonl');
    await writeFile(file, `${await readFile(file, 'utf8')}{"id":"torn`);
    const after = await openQueues(folder);
    expect(await after.backlog('events')).toBe(1);
    await after.send('events', ['3']);
    expect((await after.pull('events', 10, 1000)).map((message) => message.body)).toEqual(['2', '3']);
  });
});

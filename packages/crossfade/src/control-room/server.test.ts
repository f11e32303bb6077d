import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, request } from 'undici';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Journal } from '../rollout/journal.ts';
import type { JournalEvent } from '../rollout/journal-event.ts';
import { buildControlRoomPage } from './page.ts';
import { startControlRoom } from './server.ts';

let root: string;
let evidenceFolder: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'crossfade-room-'));
  evidenceFolder = join(root, 'evidence');
  await mkdir(evidenceFolder);
  await writeFile(join(evidenceFolder, 'seen.json'), '{"seen":true}');
  await writeFile(join(root, 'secret.json'), '{"secret":true}');
});
afterEach(() => rm(root, { recursive: true, force: true }));

function note(seq: number): JournalEvent {
  const at = new Date().toISOString();
  return {
    seq,
    id: `ev-${seq}`,
    at,
    rollout: 'r',
    phase: null,
    subject: null,
    kind: 'note',
    data: { text: `note ${seq}` },
  };
}

/** A journal in memory, to which a test adds while somebody listens. */
function liveJournal(events: JournalEvent[]): { journal: Journal; add(event: JournalEvent): void } {
  const listeners = new Set<(event: JournalEvent) => void>();
  return {
    add(event) {
      events.push(event);
      for (const listener of listeners) listener(event);
    },
    journal: {
      rollout: 'r',
      append: () => Promise.reject(new Error('the control room never writes')),
      read: async (after = 0) => events.filter(({ seq }) => seq > after),
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  };
}

async function open(journal: Journal, port = 0, fixed = false): Promise<string> {
  const room = await startControlRoom({ journal, evidenceFolder, port, fixed });
  onTestFinished(() => room.close());
  return room.url;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** Reads server-sent events until there are so many. */
async function events(url: string, count: number, headers = {}): Promise<number[]> {
  const { body } = await request(`${url}/api/events`, { headers });
  const seen: number[] = [];
  let text = '';
  for await (const chunk of body) {
    text += String(chunk);
    seen.splice(0, seen.length, ...[...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)));
    if (seen.length >= count) break;
  }
  return seen;
}

describe('the control room', () => {
  it('sends what was written so far and then each event as it comes, once and in order', async () => {
    const { journal, add } = liveJournal([note(1), note(2)]);
    const url = await open(journal, await freePort());
    const watching = events(url, 4);
    await expect.poll(async () => (await fetch(`${url}/nothing`)).status).toBe(404);
    add(note(3));
    add(note(4));
    expect(await watching).toEqual([1, 2, 3, 4]);
  });

  it('goes on where a page that lost its connection had been', async () => {
    const { journal } = liveJournal([note(1), note(2), note(3)]);
    const url = await open(journal, await freePort());
    expect(await events(url, 1, { 'last-event-id': '2' })).toEqual([3]);
  });

  it('sends what another process wrote, also late and out of turn, each event once', async () => {
    const written = [note(1), note(3)];
    const { journal, add } = liveJournal(written);
    const url = await open(journal, await freePort());
    const { body } = await request(`${url}/api/events`);
    let text = '';
    for await (const chunk of body) {
      text += String(chunk);
      // Written without telling this process's listeners: its number was given earlier than the one before.
      if (text.includes('note 3') && written.length === 2) written.splice(1, 0, note(2));
      if (text.includes('note 2') && written.length === 3) add(note(4));
      if (text.includes('note 4')) break;
    }
    expect([...text.matchAll(/"text":"note (\d+)"/g)].map(([, seq]) => seq)).toEqual(['1', '3', '2', '4']);
    // The id is what a page that comes back asks from: it never goes back.
    expect([...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => id)).toEqual(['1', '3', '3', '4']);
  });

  it('lets nobody frame the page, and evidence run no script', async () => {
    const url = await open(liveJournal([]).journal, await freePort());
    await writeFile(join(evidenceFolder, 'answer.html'), '<script>fetch("/api/session")</script>');
    const evidence = await request(`${url}/evidence/answer.html`);
    await evidence.body.dump();
    expect(evidence.headers['content-security-policy']).toMatch(/^sandbox allow-downloads; default-src 'none'/);
    expect(evidence.headers['x-content-type-options']).toBe('nosniff');
    await buildControlRoomPage(() => {});
    const page = await request(url);
    await page.body.dump();
    expect(page.headers['content-security-policy']).toContain("frame-ancestors 'none'");
  });

  it('shows evidence, and no file outside of it', async () => {
    const url = await open(liveJournal([]).journal, await freePort());
    expect(await (await fetch(`${url}/evidence/seen.json`)).json()).toEqual({ seen: true });
    // Sends a path as it is; a URL would resolve its dots first.
    const client = new Client(url);
    onTestFinished(() => client.close());
    for (const path of [
      '/evidence/../secret.json',
      '/evidence/%2e%2e/secret.json',
      '/evidence/..%2fsecret.json',
      '/evidence/%',
    ]) {
      const { statusCode, body } = await client.request({ path, method: 'GET' });
      expect([path, statusCode]).toEqual([path, 404]);
      expect(await body.text()).not.toContain('secret');
    }
  });

  it('answers only under names of this machine', async () => {
    const url = await open(liveJournal([]).journal, await freePort());
    const { statusCode, body } = await request(`${url}/api/report`, { headers: { host: 'evil.example' } });
    await body.dump();
    expect(statusCode).toBe(403);
  });

  it('takes the next port when its own is taken, and refuses when only that one will do', async () => {
    const { journal } = liveJournal([]);
    const port = await freePort();
    expect(await open(journal, port)).toBe(`http://127.0.0.1:${port}`);
    expect(await open(journal, port)).not.toBe(`http://127.0.0.1:${port}`);
    await expect(open(journal, port, true)).rejects.toMatchObject({ code: 'CROSSFADE_PORT_TAKEN', exitCode: 2 });
  });
});

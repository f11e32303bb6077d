import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { memoryJournal } from '../../control-room/fixtures/memory-journal.ts';
import type { RolloutContext } from '../../rollout/context.ts';
import { memoryStore } from '../../transfer/fixtures/memory-store.ts';
import { readAsPublic } from './legacy-readers.ts';

const KEY = 'library/a song.wav';
const STORED = 'the bytes that legacy holds';

/** A media host that answers every public address like this, asked through two resolvers. */
async function read(answer: {
  status?: number;
  body?: string;
  address?: string;
  unreachable?: boolean;
  silent?: readonly string[];
}) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.writeHead(answer.status ?? 200).end(answer.body ?? STORED);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  const origin = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  const journal = memoryJournal();
  const dnsBack = { status: 'pass' as const, summary: '', measured: { silent: answer.silent ?? [] }, expected: null };
  await journal.append(
    { kind: 'check.verdict', data: { title: '', proves: [], ms: 1, verdict: { ...dnsBack, evidence: [] } } },
    { phase: 'watch', subject: 'rollback.dns' },
  );
  const legacyStore = memoryStore('legacy');
  legacyStore.place(KEY, STORED);
  const context = {
    signal: new AbortController().signal,
    history: () => journal.read(),
    config: {
      dns: { resolvers: ['127.0.0.1:53', '127.0.0.2:53'], edgeAddresses: ['127.0.0.31'] },
      environments: { production: { worker: { mediaOrigin: origin }, supabase: { bucket: 'media' } } },
    },
    providers: {
      legacyStore,
      http: {
        async request(url: string) {
          if (answer.unreachable === true) throw new Error('nobody answers');
          const response = await fetch(url);
          const body = Buffer.from(await response.arrayBuffer());
          return { status: response.status, body, address: answer.address ?? '127.0.0.21' };
        },
      },
    },
  };
  // It asks for nothing else.
  return { ...(await readAsPublic(context as unknown as RolloutContext)), asked };
}

describe('reading as the public does', () => {
  it('asks for the public address through every resolver, and compares the bytes', async () => {
    const { asked, ...seen } = await read({});
    expect(seen).toEqual({ requests: 2, failed: 0, fromEdge: 0, first: null });
    expect(asked[0]).toBe('/storage/v1/object/public/media/library/a%20song.wav');
  });

  it.each([
    ['a refusal', { status: 404 }, 'HTTP 404'],
    ['other bytes', { body: 'somebody else’s' }, 'other bytes'],
    ['no answer', { unreachable: true }, 'nobody answers'],
  ])('counts %s as failed, and says through whom and why', async (_name, answer, why) => {
    expect(await read(answer)).toMatchObject({ failed: 2, first: `127.0.0.1:53: ${KEY}: ${why}` });
  });

  it('sees whom the edge still answers', async () => {
    expect(await read({ address: '127.0.0.31' })).toMatchObject({ fromEdge: 2 });
  });

  it('does not ask through a resolver that was silent all the while the name went back', async () => {
    expect(await read({ silent: ['127.0.0.2:53'] })).toMatchObject({ requests: 1, failed: 0 });
  });
});

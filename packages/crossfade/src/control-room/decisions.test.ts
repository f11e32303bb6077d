import { request } from 'undici';
import { describe, expect, it, onTestFinished } from 'vitest';
import { UserError } from '../cli/user-error.ts';
import type { Decide, Sign } from './operator-state.ts';
import { memoryJournal, startedRollout } from './fixtures/memory-journal.ts';
import { startControlRoom } from './server.ts';

/** A control room over a rollout in its first phase, and somebody who holds the page's token. */
async function open(options: { decide?: Decide | null; sign?: Sign } = {}) {
  const journal = memoryJournal();
  await journal.append(startedRollout, { phase: null });
  await journal.append({ kind: 'phase.started', data: { deadlineMs: 1 } }, { phase: 'cutover.worker' });
  const record: Decide = async (decision, by) =>
    (await journal.append({ kind: 'operator.decided', data: { decision, ...by } }, { phase: null })).id;
  const room = await startControlRoom({
    journal,
    evidenceFolder: '/nowhere',
    port: 4600,
    fixed: false,
    decide: options.decide === null ? undefined : (options.decide ?? record),
    sign: options.sign,
  });
  onTestFinished(() => room.close());
  // Each test's room may have the port of the one before: no connection is kept.
  const session = await request(`${room.url}/api/session`, { reset: true });
  const { token } = (await session.body.json()) as { token: string };
  const post = async (path: string, body: unknown, headers: Record<string, string | undefined> = {}) => {
    const all = { 'content-type': 'application/json', 'x-crossfade-token': token, ...headers };
    const answer = await request(`${room.url}${path}`, {
      method: 'POST',
      reset: true,
      headers: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    const text = await answer.body.text();
    if (!text.startsWith('{')) return { status: answer.statusCode, error: { code: '', message: text } };
    const said = JSON.parse(text) as { event?: string; error?: { code: string; message: string } };
    return { status: answer.statusCode, ...said };
  };
  return { journal, url: room.url, session, post };
}
const HOLD = { decision: 'hold', as: 'Ada', note: 'DNS is being edited' };

describe('a decision on the page', () => {
  it('is written to the journal with who made it and why', async () => {
    const { journal, post } = await open();
    const { status, event } = await post('/api/decisions', { ...HOLD, as: '  Ada ' });
    expect(status).toBe(201);
    expect(journal.events.at(-1)).toMatchObject({ kind: 'operator.decided', id: event, data: HOLD });
  });

  it.each([
    ['from another site, as browsers say it', { 'sec-fetch-site': 'cross-site' }, 403, 'CROSSFADE_FOREIGN_SITE'],
    ['from another port of this machine', { 'sec-fetch-site': 'same-site' }, 403, 'CROSSFADE_FOREIGN_SITE'],
    ['with the origin of another site', { origin: 'https://evil.example' }, 403, 'CROSSFADE_FOREIGN_SITE'],
    ['from a sandboxed frame', { origin: 'null' }, 403, 'CROSSFADE_FOREIGN_SITE'],
    ['as a form sends it', { 'content-type': 'text/plain' }, 415, 'CROSSFADE_BODY_TYPE'],
    ['without a content type', { 'content-type': undefined }, 415, 'CROSSFADE_BODY_TYPE'],
    ['without the token', { 'x-crossfade-token': undefined }, 403, 'CROSSFADE_TOKEN'],
    ['with a token of the right length', { 'x-crossfade-token': 'A'.repeat(43) }, 403, 'CROSSFADE_TOKEN'],
  ])('%s is refused, and nothing is written', async (_name, headers, status, code) => {
    const { journal, post } = await open();
    const before = journal.events.length;
    expect(await post('/api/decisions', HOLD, headers)).toMatchObject({ status, error: { code } });
    expect(journal.events).toHaveLength(before);
  });

  it('under a name that only leads here is refused', async () => {
    const { journal, post } = await open();
    const before = journal.events.length;
    const answer = await post('/api/decisions', HOLD, { host: 'evil.example' });
    expect(answer).toMatchObject({ status: 403, error: { message: 'not this host' } });
    expect(journal.events).toHaveLength(before);
  });

  it.each([
    ['no JSON', '{', 400, 'the body is no JSON'],
    ['no object', '"hold"', 400, 'the body: expected an object'],
    ['an unknown decision', { ...HOLD, decision: 'stop' }, 400, 'decision: expected one of hold, go, abort'],
    ['nobody', { decision: 'hold' }, 400, 'as: it is missing'],
    ['a name of spaces', { ...HOLD, as: '  ' }, 400, 'as: expected your name, 1 to 80 characters'],
    ['a name too long', { ...HOLD, as: 'a'.repeat(81) }, 400, 'as: expected your name'],
    ['a name that writes on the terminal', { ...HOLD, as: 'Ada\u001b[2J' }, 400, 'as: expected your name'],
    ['a note too long', { ...HOLD, note: 'a'.repeat(501) }, 400, 'note: expected at most 500'],
    ['a field that nobody knows', { ...HOLD, force: true }, 400, 'force: there is no such field'],
    ['a body too long', { ...HOLD, note: 'a'.repeat(5000) }, 413, 'more than 4096 bytes'],
  ])('with %s says what was expected', async (_name, body, status, says) => {
    const { journal, post } = await open();
    const before = journal.events.length;
    const answer = await post('/api/decisions', body);
    expect(answer.status).toBe(status);
    expect(answer.error?.message).toContain(says);
    expect(journal.events).toHaveLength(before);
  });

  it('that makes no sense now says why', async () => {
    const { post } = await open();
    expect(await post('/api/decisions', { ...HOLD, decision: 'go' })).toMatchObject({
      status: 409,
      error: { code: 'CROSSFADE_DECISION_REFUSED', message: 'nothing is held' },
    });
    expect((await post('/api/decisions', { ...HOLD, decision: 'abort' })).status).toBe(201);
    const second = await post('/api/decisions', { ...HOLD, decision: 'abort', as: 'Bob' });
    expect(second).toMatchObject({ status: 409, error: { message: 'Ada has aborted already' } });
  });

  it('is not claimed to be made when the journal cannot be written', async () => {
    const { post } = await open({ decide: () => Promise.reject(new Error('the database is gone')) });
    const { status, error } = await post('/api/decisions', HOLD);
    expect(status).toBe(500);
    expect(error?.message).toBe('the journal did not take it: the database is gone');
  });

  it('cannot be made where the control room only shows', async () => {
    const { post, url } = await open({ decide: null });
    expect(await post('/api/decisions', HOLD)).toMatchObject({ status: 403, error: { code: 'CROSSFADE_READ_ONLY' } });
    const session = await request(`${url}/api/session`, { reset: true });
    expect(await session.body.json()).toMatchObject({ decide: false, sign: false });
  });
});

describe('the token', () => {
  it('is given to this page alone: no other site may read it, nothing keeps it', async () => {
    const { session } = await open();
    expect(session.headers['access-control-allow-origin']).toBeUndefined();
    expect(session.headers['cache-control']).toBe('no-store');
  });
});

describe('a sign-off', () => {
  const OFF = { gate: 'team', as: 'Ada', note: 'seen' };

  it('goes to whoever writes it, with the gate, the name and the note', async () => {
    const signed: unknown[] = [];
    const { post } = await open({ sign: async (gate, by) => `ev-${signed.push({ gate, ...by })}` });
    expect(await post('/api/sign-offs', OFF)).toMatchObject({ status: 201, event: 'ev-1' });
    expect(signed).toEqual([OFF]);
    expect(await post('/api/sign-offs', { ...OFF, gate: '' })).toMatchObject({ status: 400 });
    expect(await post('/api/sign-offs', OFF, { 'x-crossfade-token': 'x' })).toMatchObject({ status: 403 });
    expect(signed).toHaveLength(1);
  });

  it('that is refused says why and what to do; without somebody to write it there is none', async () => {
    const sign: Sign = () => Promise.reject(new UserError('CROSSFADE_GATE_UNKNOWN', 'there is no gate', 'name one'));
    const answer = await (await open({ sign })).post('/api/sign-offs', OFF);
    expect(answer).toMatchObject({ status: 409, error: { message: 'there is no gate; name one' } });
    expect(await (await open()).post('/api/sign-offs', OFF)).toMatchObject({ status: 403 });
  });
});

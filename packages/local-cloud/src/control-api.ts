import { once } from 'node:events';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import * as v from 'valibot';
import { audienceLoad, writeRates } from './audience/load.ts';
import type { Audiences } from './audience/audiences.ts';
import { faultSchema, type Faults } from './faults.ts';
import type { Pages } from './pages.ts';

const MOST_KEPT = 1000;

export interface ControlParts {
  readonly audiences: () => Audiences;
  readonly pages: Pages;
  readonly calls: () => readonly unknown[];
  readonly expireObjects: (bucket: string, now: number) => Promise<readonly string[]>;
  readonly faults: Faults;
  readonly onHeartbeat: () => void;
  readonly onStop: () => void;
}

/** So long does the person on call take to look at the telephone. */
const PERSON_TAKES_MS = 400;

const page = v.object({
  details: v.object({ page: v.object({ token: v.string(), answerWanted: v.boolean() }) }),
});
const deployment = v.object({ host: v.string(), folder: v.string() });

/** What a rehearsal asks of the local cloud itself, beside the vendors' own APIs. */
export async function startControlApi(
  port: number,
  parts: ControlParts,
): Promise<{ url: string; close(): Promise<void> }> {
  const sinks = new Map<string, unknown[]>();
  /** Token of a page → when its answer comes, epoch ms. */
  const answersAt = new Map<string, number>();
  const app = new Hono();
  app.get('/health', (context) => context.json({ ok: true, pid: process.pid }));
  app.post('/heartbeat', (context) => {
    parts.onHeartbeat();
    return context.json({ ok: true });
  });
  app.post('/stop', (context) => {
    parts.onStop();
    return context.json({ ok: true });
  });
  app.post('/audience/start', async (context) => {
    await parts
      .audiences()
      .now()
      .start(v.parse(audienceLoad, await context.req.json()));
    return context.json({ ok: true });
  });
  app.post('/audience/stop', async (context) => {
    await parts.audiences().now().stop();
    return context.json({ ok: true });
  });
  app.post('/audience/renew', async (context) => {
    await parts.audiences().renew();
    return context.json({ ok: true });
  });
  app.get('/audience/stats', async (context) => context.json(await parts.audiences().now().stats()));
  app.get('/audience/told', async (context) => context.json(await parts.audiences().now().told()));
  app.post('/audience/write', async (context) => {
    await parts
      .audiences()
      .now()
      .write(v.parse(writeRates, await context.req.json()));
    return context.json({ ok: true });
  });
  app.post('/pages/deploy', async (context) => {
    const { host, folder } = v.parse(deployment, await context.req.json());
    await parts.pages.deploy(host, folder);
    return context.json({ ok: true });
  });
  app.post('/pages/restore', async (context) => {
    parts.pages.restore(v.parse(v.object({ host: v.string() }), await context.req.json()).host);
    return context.json({ ok: true });
  });
  app.post('/sink/:name', async (context) => {
    const kept = sinks.get(context.req.param('name')) ?? [];
    const message: unknown = await context.req.json();
    kept.push({ at: new Date().toISOString(), message });
    const called = v.safeParse(page, message);
    if (called.success && called.output.details.page.answerWanted) {
      const { token } = called.output.details.page;
      if (!answersAt.has(token)) answersAt.set(token, Date.now() + PERSON_TAKES_MS);
    }
    sinks.set(context.req.param('name'), kept.slice(-MOST_KEPT));
    return context.json({ ok: true }, 202);
  });
  app.get('/sink/:name', (context) => context.json(sinks.get(context.req.param('name')) ?? []));
  // Whether the person who was called has answered: the channel's way back.
  app.get('/answers/:token', (context) => {
    const at = answersAt.get(context.req.param('token'));
    return at !== undefined && at <= Date.now() ? context.json({ acknowledged: true }) : context.notFound();
  });
  // The time that a bucket's lifecycle rules believe it is: nobody can wait seven days.
  app.post('/lifecycle', async (context) => {
    const { bucket, now } = v.parse(v.object({ bucket: v.string(), now: v.number() }), await context.req.json());
    return context.json({ expired: await parts.expireObjects(bucket, now) });
  });
  app.post('/faults', async (context) => {
    parts.faults.plant(v.parse(faultSchema, await context.req.json()));
    return context.json({ ok: true });
  });
  app.delete('/faults', (context) => {
    parts.faults.clear();
    return context.json({ ok: true });
  });
  app.get('/calls', (context) => context.json(parts.calls()));
  app.onError((error, context) => context.json({ error: error.message }, 500));
  const server = serve({ fetch: app.fetch, port, hostname: '127.0.0.1' });
  if (!server.listening) await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the control API has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      if ('closeAllConnections' in server) server.closeAllConnections();
      await closed;
    },
  };
}

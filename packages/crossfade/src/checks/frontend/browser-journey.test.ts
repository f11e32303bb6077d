import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../../../../scripts/find-chromium.mjs';
import { openBrowser, runJourney } from './browser-journey.ts';
import type { Journey } from './journey.ts';

const PAGES: Readonly<Record<string, string>> = {
  '/': '<button onclick="document.title = \'played\'">Play</button>',
  '/console-error': '<button>Play</button><script>console.error("the deck is gone")</script>',
  '/exception': '<button>Play</button><script>setTimeout(() => { throw new Error("no audio element") })</script>',
  '/no-button': '<p>Nothing to play</p>',
};
const chromium = findChromium();
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end(PAGES[request.url ?? '/'] ?? '');
});
let browser: Browser;
let port: number;

beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  port = typeof address === 'object' && address !== null ? address.port : 0;
  if (chromium !== null) browser = await openBrowser(chromium, { 'studio.example': '127.0.0.1' });
});
afterAll(async () => {
  if (chromium !== null) await browser.close();
  server.close();
});

const journey = (path: string): Journey => ({
  id: 'play',
  title: 'Somebody presses play',
  proves: [],
  viewport: { width: 600, height: 400 },
  async run(page) {
    await page.goto(path);
    await page.getByRole('button', { name: 'Play' }).click({ timeout: 2000 });
    return { title: await page.title() };
  },
});
const walk = (path: string) =>
  runJourney(browser, journey(path), {
    frontendOrigin: `http://studio.example:${port}`,
    user: { email: 'a@example.com', password: 'x' },
    wav: new Uint8Array(),
  });

// Setup installs a Chromium or says how to get one; where there is none, journeys are skipped and claim nothing.
describe.skipIf(chromium === null)('a journey through the browser', () => {
  it('passes when the way is free, with what was measured, a picture and a trace', async () => {
    const result = await walk('/');
    expect(result).toMatchObject({ passed: true, failures: [], measured: { title: 'played' } });
    expect(Buffer.from(result.screenshot).toString('latin1', 1, 4)).toBe('PNG');
    expect(Buffer.from(result.trace).toString('latin1', 0, 2)).toBe('PK');
  });

  it.each([
    ['/console-error', 'console: the deck is gone'],
    ['/exception', 'page: no audio element'],
    ['/no-button', 'Timeout'],
  ])('fails on %s, and says %j', async (path, failure) => {
    const result = await walk(path);
    expect(result.passed).toBe(false);
    expect(result.failures.join('\n')).toContain(failure);
    expect(result.screenshot.byteLength).toBeGreaterThan(0);
  });
});

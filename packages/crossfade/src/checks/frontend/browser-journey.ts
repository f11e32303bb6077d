import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { errorText } from '../../rollout/error-text.ts';
import type { Json } from '../../rollout/json.ts';
import type { Journey, JourneyWorld } from './journey.ts';

const STEP_MS = 15_000;

export interface JourneyResult {
  readonly passed: boolean;
  readonly measured: Json;
  /** Why it failed; console and page errors count. */
  readonly failures: readonly string[];
  readonly screenshot: Uint8Array;
  readonly trace: Uint8Array;
  readonly console: readonly { type: string; text: string }[];
}

/** Opens a browser that finds the hosts at the given addresses. Signals are ours to handle, not the browser's. */
export function openBrowser(executablePath: string, hosts: Readonly<Record<string, string>>): Promise<Browser> {
  const rules = Object.entries(hosts).map(([host, address]) => `MAP ${host} ${address}`);
  return chromium.launch({
    executablePath,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--autoplay-policy=no-user-gesture-required',
      `--host-resolver-rules=${rules.join(', ')}`,
    ],
  });
}

/** Walks one journey in a context of its own and keeps what a person would want to see of it. */
export async function runJourney(browser: Browser, journey: Journey, world: JourneyWorld): Promise<JourneyResult> {
  const folder = await mkdtemp(join(tmpdir(), 'crossfade-journey-'));
  const touch = journey.touch === true;
  const context = await browser.newContext({
    viewport: { ...journey.viewport },
    hasTouch: touch,
    isMobile: touch,
    baseURL: world.frontendOrigin,
  });
  context.setDefaultTimeout(STEP_MS);
  try {
    await context.tracing.start({ screenshots: true, snapshots: true });
    const page = await context.newPage();
    const log: { type: string; text: string }[] = [];
    const failures: string[] = [];
    page.on('console', (message) => {
      log.push({ type: message.type(), text: message.text() });
      if (message.type() === 'error') failures.push(`console: ${message.text()}`);
    });
    page.on('pageerror', (error) => failures.push(`page: ${error.message}`));
    let measured: Json = null;
    try {
      measured = await journey.run(page, world);
    } catch (error) {
      failures.unshift(errorText(error).split('\n')[0] ?? 'the journey failed');
    }
    const screenshot = await page.screenshot();
    const trace = join(folder, 'trace.zip');
    await context.tracing.stop({ path: trace });
    return {
      passed: failures.length === 0,
      measured,
      failures,
      screenshot,
      trace: await readFile(trace),
      console: log,
    };
  } finally {
    await context.close();
    await rm(folder, { recursive: true, force: true });
  }
}

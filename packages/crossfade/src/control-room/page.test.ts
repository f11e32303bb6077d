import type { DatabaseServer } from '@crossfade/database-server';
import { startTemporaryDatabase } from '@crossfade/database-server/temporary';
import axe from 'axe-core';
import { Pool } from 'pg';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findChromium } from '../../../../scripts/find-chromium.mjs';
import { openBrowser } from '../checks/frontend/browser-journey.ts';
import { createJournalTable, openJournal, type Journal } from '../rollout/journal.ts';
import { stories, tell } from './fixtures/stories.ts';
import { buildControlRoomPage } from './page.ts';
import { startControlRoom } from './server.ts';

const chromium = findChromium();
/** The narrowest phone and a common desk, px. */
const WIDTHS = [360, 1440];
const HEIGHT = 900;
let database: DatabaseServer;
let pool: Pool;
let browser: Browser;
let rollouts = 0;

beforeAll(async () => {
  if (chromium === null) return;
  await buildControlRoomPage(() => {});
  database = await startTemporaryDatabase('crossfade');
  pool = new Pool({ connectionString: database.url('crossfade'), max: 4 });
  pool.on('error', () => {});
  await createJournalTable(pool);
  browser = await openBrowser(chromium, {});
});
afterAll(async () => {
  if (chromium === null) return;
  await browser.close();
  await pool.end();
  await database.stop();
});

/** The real page over a real journal in Postgres; what it complains of in its console fails the test. */
async function open(story: Parameters<typeof tell>[1]): Promise<{ page: Page; journal: Journal; other: Journal }> {
  const rollout = `audafact-${++rollouts}`;
  const journal = openJournal(pool, rollout, (value) => value);
  await tell(journal, story);
  const room = await startControlRoom({
    journal,
    evidenceFolder: '/nowhere',
    port: 4500,
    fixed: false,
    decide: async (decision, by) =>
      (await journal.append({ kind: 'operator.decided', data: { decision, ...by } }, { phase: null })).id,
  });
  onTestFinished(() => room.close());
  const context = await browser.newContext({ viewport: { width: 1440, height: HEIGHT } });
  context.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  onTestFinished(async () => {
    await context.close();
    expect(complaints).toEqual([]);
  });
  await page.addInitScript(axe.source);
  await page.goto(room.url);
  // Of the same rollout, but of another process: nobody tells this one's listeners.
  return { page, journal, other: openJournal(pool, rollout, (value) => value) };
}

const axeFinds = (page: Page) =>
  page.evaluate<string[]>('axe.run().then((all) => all.violations.map((one) => `${one.id}: ${one.nodes[0].html}`))');
const state = (page: Page) => page.locator('#state');
const decisions = async (journal: Journal) =>
  (await journal.read()).flatMap((event) => (event.kind === 'operator.decided' ? [event.data] : []));

// Setup installs a Chromium or says how to get one; where there is none, these are skipped.
describe.skipIf(chromium === null)('the control room in a browser', () => {
  it('hold: asks for a name once, writes it, and shows that it holds; go on lets it go', async () => {
    const { page, journal } = await open(stories.running);
    await expect.poll(() => state(page).textContent()).toBe('Running: Cutover 1 · Worker');
    await page.getByRole('button', { name: 'Hold before the next phase' }).click();
    await expect.poll(() => page.locator('#said').textContent()).toContain('Say who you are first');
    expect(await page.evaluate('document.activeElement.id')).toBe('as');
    // With the keyboard alone, from the name to the button.
    await page.keyboard.type('Ada');
    await page.keyboard.press('Tab');
    await page.keyboard.type('DNS is being edited');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await expect.poll(() => state(page).textContent()).toBe('Running: Cutover 1 · Worker, then holding');
    expect(await decisions(journal)).toEqual([{ decision: 'hold', as: 'Ada', note: 'DNS is being edited' }]);
    expect(await page.evaluate('document.activeElement.id')).toBe('hold');

    await journal.append(
      { kind: 'phase.held', data: { title: 'Cutover 2 · DNS', by: 'Ada' } },
      { phase: 'cutover.dns' },
    );
    await expect.poll(() => state(page).textContent()).toMatch(/^Holding before Cutover 2 · DNS since \d\d:\d\d:\d\d$/);
    await page.reload();
    await expect.poll(() => state(page).textContent()).toContain('Holding before Cutover 2 · DNS');
    expect(await page.getByLabel('Your name').inputValue()).toBe('Ada');
    expect(await page.locator('#journal .by-person').first().textContent()).toContain(
      'Ada decided: hold before the next phase (“DNS is being edited”)',
    );
    await page.getByRole('button', { name: 'Go on' }).click();
    await expect.poll(() => state(page).textContent()).toBe('Running: Cutover 1 · Worker');
  });

  it('abort: asks again, naming what will be undone in reverse; no changes nothing, yes aborts', async () => {
    const { page, journal } = await open(stories.rollingBack.slice(0, -4));
    await page.getByLabel('Your name').fill('Ada');
    const abort = page.getByRole('button', { name: 'Abort …' });
    await abort.click();
    const question = page.getByRole('dialog', { name: 'Abort the rollout?' });
    expect(await question.getByRole('listitem').allTextContents()).toEqual([
      'DNS points to the edge Cutover 2 · DNS',
      'Worker takes the traffic Cutover 1 · Worker',
    ]);
    expect(await axeFinds(page)).toEqual([]);
    // The safe answer is the one that a hasty Enter gives.
    await page.keyboard.press('Enter');
    await question.waitFor({ state: 'hidden' });
    await abort.click();
    await page.keyboard.press('Escape');
    await question.waitFor({ state: 'hidden' });
    expect(await decisions(journal)).toEqual([]);
    await abort.click();
    await question.getByRole('button', { name: 'Yes, abort and undo' }).click();
    await expect.poll(() => state(page).textContent()).toBe('Aborting');
    expect(await decisions(journal)).toEqual([{ decision: 'abort', as: 'Ada', note: '' }]);
    await abort.click({ force: true });
    await expect.poll(() => page.locator('#said').textContent()).toBe('Not now: Ada has aborted already');
  });

  it('shows what another process writes to the journal', async () => {
    const { page, other } = await open(stories.running);
    await expect.poll(() => state(page).textContent()).toBe('Running: Cutover 1 · Worker');
    await other.append({ kind: 'operator.decided', data: { decision: 'abort', as: 'Bob', note: '' } }, { phase: null });
    await expect.poll(() => state(page).textContent(), { timeout: 5000 }).toBe('Aborting');
  });

  it('an incomplete rollback says so above all else, with the commands to copy', async () => {
    const { page } = await open(stories.incomplete);
    await expect.poll(() => state(page).textContent()).toBe('Rollback incomplete: a person is needed');
    const alert = page.getByRole('alert');
    expect(await alert.locator('pre').textContent()).toContain('curl -X PATCH');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await alert.getByRole('button', { name: 'Copy' }).click();
    await expect.poll(() => page.evaluate('navigator.clipboard.readText()')).toContain('curl -X PATCH');
    expect(await page.title()).toContain('Rollback incomplete');
  });

  it('a closed gate says what was measured, what was expected, and the command that mends it', async () => {
    const { page } = await open(stories.closedGate);
    const gate = page.locator('.closed-gate');
    await gate.waitFor();
    expect(await gate.locator('dd').allTextContents()).toEqual([
      '{"missing":3}',
      '{"missing":0}',
      'crossfade copyCopy',
    ]);
    expect(await page.locator('#signed li').textContent()).toContain('expired');
  });

  it.each(Object.keys(stories) as (keyof typeof stories)[])(
    'axe finds nothing in "%s", in light and dark, on phone and desk, and nothing is cut off',
    async (name) => {
      const { page } = await open(stories[name]);
      await page.locator('.phase').first().waitFor();
      for (const colorScheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme });
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: HEIGHT });
          const found = await axeFinds(page);
          expect([colorScheme, width, found]).toEqual([colorScheme, width, []]);
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
        }
      }
    },
  );
});

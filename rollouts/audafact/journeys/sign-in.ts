// What runs inside of the page sees the DOM.
/// <reference lib="dom" />
import type { JourneyWorld } from '@crossfade/crossfade/checks/frontend/journey';
import type { Page } from 'playwright-core';

/** Opens the studio and signs in; every journey begins so. */
export async function signIn(page: Page, { user }: JourneyWorld): Promise<void> {
  await page.goto('/');
  await page.getByLabel('Email').fill(user.email);
  await page.getByLabel('Password').fill(user.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: /^Library/ }).waitFor();
}

/** Waits until sound really plays: the one audio element's clock has moved and it has no error. */
export async function soundPlays(page: Page): Promise<number> {
  await page.waitForFunction(() => {
    const audio = document.querySelector('audio');
    return audio !== null && audio.error === null && !audio.paused && audio.currentTime > 0.3;
  });
  return page.evaluate(() => document.querySelector('audio')?.currentTime ?? 0);
}

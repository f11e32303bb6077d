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

// These run inside of the page, whose types are not Node's: so they are text.
const IS_PLAYING = `(() => {
  const audio = document.querySelector('audio');
  return audio !== null && audio.error === null && !audio.paused && audio.currentTime > 0.3;
})()`;

/** Waits until sound really plays (the one audio element's clock has moved, without an error); answers its time, s. */
export async function soundPlays(page: Page): Promise<number> {
  await page.waitForFunction(IS_PLAYING);
  return page.evaluate<number>("document.querySelector('audio').currentTime");
}

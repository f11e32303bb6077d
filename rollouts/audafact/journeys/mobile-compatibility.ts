import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn, soundPlays } from './sign-in.ts';

/** WCAG 2.2, 2.5.8: a target for a finger has at least 24 CSS pixels each way. */
const SMALLEST_TARGET_PX = 24;

// This runs inside of the page, whose types are not Node's: so it is text.
const MEASURE = `(() => {
  const { scrollWidth, clientWidth } = document.documentElement;
  const boxes = [...document.querySelectorAll('button')].map((button) => button.getBoundingClientRect());
  const visible = boxes.filter(({ width }) => width > 0);
  return {
    beyondTheEdge: scrollWidth - clientWidth,
    smallestTarget: Math.min(...visible.map(({ width, height }) => Math.min(width, height))),
  };
})()`;

export const mobileCompatibility: Journey = {
  id: 'mobileCompatibility',
  title: 'On a phone, a track is put on a deck by touch and plays',
  proves: ['staging.frontend.mobileCompatibility'],
  viewport: { width: 390, height: 844 },
  touch: true,
  async run(page, world) {
    await signIn(page, world);
    const measured = await page.evaluate<{ beyondTheEdge: number; smallestTarget: number }>(MEASURE);
    if (measured.beyondTheEdge > 0) throw new Error(`the page is ${measured.beyondTheEdge} px wider than the screen`);
    if (measured.smallestTarget < SMALLEST_TARGET_PX)
      throw new Error(`the smallest button has ${measured.smallestTarget} px, a finger needs ${SMALLEST_TARGET_PX}`);
    await page
      .getByRole('region', { name: 'Library' })
      .getByRole('button', { name: / on deck A$/ })
      .first()
      .tap();
    await page.getByRole('button', { name: 'Play deck A' }).tap();
    return { ...measured, currentTime: await soundPlays(page) };
  },
};

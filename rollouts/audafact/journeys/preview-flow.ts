import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn, soundPlays } from './sign-in.ts';

// This runs inside of the page, whose types are not Node's: so it is text.
const VITALS = `(() => {
  const { LCP = null, CLS = null, 'preview-start': start = null } = window.__vitals ?? {};
  return { lcpMs: LCP, cls: CLS, previewStartMs: start };
})()`;

export const previewFlow: Journey = {
  id: 'previewFlow',
  title: 'A listener signs in and hears a library track',
  proves: ['staging.frontend.previewFlow'],
  viewport: { width: 1280, height: 800 },
  async run(page, world) {
    await signIn(page, world);
    await page
      .getByRole('region', { name: 'Library' })
      .getByRole('button', { name: /^Play / })
      .first()
      .click();
    const currentTime = await soundPlays(page);
    // Core Web Vitals as the browser itself saw them; the performance checks judge them.
    const vitals = await page.evaluate<{ lcpMs: number | null; cls: number | null; previewStartMs: number | null }>(
      VITALS,
    );
    return { currentTime, ...vitals };
  },
};

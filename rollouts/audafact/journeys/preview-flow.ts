import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn, soundPlays } from './sign-in.ts';

export const previewFlow: Journey = {
  id: 'previewFlow',
  title: 'A listener signs in and hears a library track',
  proves: ['staging.frontend.previewFlow'],
  viewport: { width: 1280, height: 800 },
  async run(page, world) {
    await signIn(page, world);
    const clicked = Date.now();
    await page
      .getByRole('region', { name: 'Library' })
      .getByRole('button', { name: /^Play / })
      .first()
      .click();
    const currentTime = await soundPlays(page);
    return { currentTime, msFromClick: Date.now() - clicked };
  },
};

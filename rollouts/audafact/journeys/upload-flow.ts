import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn, soundPlays } from './sign-in.ts';

export const uploadFlow: Journey = {
  id: 'uploadFlow',
  title: 'A musician uploads a file and hears it back',
  proves: ['staging.frontend.uploadFlow'],
  leaves: ['journey-'],
  viewport: { width: 1280, height: 800 },
  async run(page, world) {
    await signIn(page, world);
    const name = `journey-${Date.now()}.wav`;
    await page
      .getByLabel('Choose audio files')
      .setInputFiles({ name, mimeType: 'audio/wav', buffer: Buffer.from(world.wav) });
    await page.locator('.uploads li[data-state="done"]', { hasText: name }).waitFor();
    const uploads = page.getByRole('region', { name: 'Your uploads' });
    await uploads.getByRole('button', { name: new RegExp(`Play .*${name.replace('.wav', '')}`) }).click();
    return { uploaded: name, bytes: world.wav.byteLength, currentTime: await soundPlays(page) };
  },
};

import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn, soundPlays } from './sign-in.ts';

export const dragAndDrop: Journey = {
  id: 'dragAndDrop',
  title: 'Two tracks are dragged onto the decks, and play from there',
  proves: ['staging.frontend.dragAndDrop'],
  viewport: { width: 1280, height: 800 },
  async run(page, world) {
    await signIn(page, world);
    const tracks = page.getByRole('region', { name: 'Library' }).getByRole('listitem');
    const loaded: string[] = [];
    for (const [index, name] of ['A', 'B'].entries()) {
      const track = tracks.nth(index);
      const title = (await track.locator('.title').textContent()) ?? '';
      const deck = page.getByRole('region', { name: `Deck ${name}` });
      await track.dragTo(deck);
      await deck.getByText(title, { exact: true }).waitFor();
      loaded.push(title);
    }
    await page.getByRole('button', { name: 'Play deck B' }).click();
    return { loaded, currentTime: await soundPlays(page) };
  },
};

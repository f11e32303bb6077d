import axe from 'axe-core';
import type { Page } from 'playwright-core';
import type { Journey } from '@crossfade/crossfade/checks/frontend/journey';
import { signIn } from './sign-in.ts';

/** The narrowest phone and a common desk, px. */
const WIDTHS = [360, 1440];
const SCHEMES = ['light', 'dark'] as const;
const HEIGHT = 900;

interface Finding {
  readonly id: string;
  readonly impact: string | null;
  readonly help: string;
  readonly nodes: readonly { readonly html: string }[];
}

/** What axe finds serious or critical on the page as it is, in words. */
async function findings(page: Page, where: string): Promise<string[]> {
  const violations = await page.evaluate<Finding[]>('axe.run().then((results) => results.violations)');
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, help, nodes }) => `${where}: ${id} (${help}) at ${nodes[0]?.html.slice(0, 120) ?? 'nowhere'}`);
}

export const accessibility: Journey = {
  id: 'accessibility',
  title: 'axe finds nothing serious in the studio, in light and dark, on phone and desk',
  proves: [],
  viewport: { width: 1440, height: HEIGHT },
  async run(page, world) {
    await page.addInitScript(axe.source);
    await page.goto('/');
    await page.getByRole('button', { name: 'Sign in' }).waitFor();
    const all: string[] = [];
    const look = async (name: string): Promise<void> => {
      for (const colorScheme of SCHEMES) {
        await page.emulateMedia({ colorScheme });
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: HEIGHT });
          all.push(...(await findings(page, `${name}, ${colorScheme}, ${width} px`)));
        }
      }
    };
    await look('sign-in');
    await signIn(page, world);
    await page.getByRole('region', { name: 'Library' }).getByRole('listitem').first().waitFor();
    await look('studio');
    if (all.length > 0) throw new Error(all.join('; '));
    return { pages: 2, schemes: [...SCHEMES], widths: WIDTHS, serious: 0 };
  },
};

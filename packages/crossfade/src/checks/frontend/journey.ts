import type { Page } from 'playwright-core';
import type { Json } from '../../rollout/json.ts';

/** What a journey finds: the deployed front end, and who signs in. */
export interface JourneyWorld {
  readonly frontendOrigin: string;
  readonly user: { readonly email: string; readonly password: string };
  /** A small playable WAV to upload. */
  readonly wav: Uint8Array;
}

/** A person's way through the front end, told in Playwright's words. It throws when the way is barred. */
export interface Journey {
  readonly id: string;
  readonly title: string;
  readonly proves: readonly string[];
  readonly viewport: { readonly width: number; readonly height: number };
  /** A phone: touch instead of a mouse, and the page's own idea of a small screen. */
  readonly touch?: boolean;
  /** What it uploads: files whose keys hold one of these are removed when it was walked. */
  readonly leaves?: readonly string[];
  /** Walks the way and answers with what was measured on it. */
  run(page: Page, world: JourneyWorld): Promise<Json>;
}

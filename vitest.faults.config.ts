import { defineConfig } from 'vitest/config';

/** The slower tests that break staging on purpose; `npm run test:faults`. */
export default defineConfig({
  test: {
    include: ['packages/crossfade/src/**/*.faults.ts'],
    testTimeout: 120_000,
    hookTimeout: 180_000,
    maxWorkers: 1,
  },
});

import path from 'node:path';
import { defineConfig } from 'vitest/config';

/** The whole battery: `npm run test:faults`. One file after the other, since each keeps both cores busy. */
export default defineConfig({
  test: {
    root: path.resolve(import.meta.dirname, '../..'),
    include: ['test/faults/**/*.test.ts'],
    fileParallelism: false,
    env: { CLAW_FAULTS_COUNTS: '1' },
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
});

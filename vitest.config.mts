import os from 'node:os';
import { defineConfig } from 'vitest/config';

// CI wants the counts as data; a person reads the default report.
const json = process.env.VITEST_JSON;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/faults/**'],
    testTimeout: 120_000,
    hookTimeout: 60_000,
    // A worker mostly waits for the programs it has started; with one less than there are cores, half of two would idle.
    maxWorkers: Math.max(2, os.availableParallelism()),
    reporters: json ? ['default', 'json'] : ['default'],
    ...(json ? { outputFile: { json } } : {}),
  },
});

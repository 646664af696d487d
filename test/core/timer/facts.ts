import { createHash } from 'node:crypto';
import type { TimerFacts } from '../../../src/core/timer/marker.ts';

export const hash = (text: string) => createHash('sha256').update(text, 'utf8').digest('hex');

export const FACTS: TimerFacts = {
  node: '/opt/node/bin/node',
  script: '/opt/claw/bin/claw.js',
  home: '/home/u/.claw',
  config: null,
  path: '/usr/local/bin:/usr/bin:/bin',
  zone: null,
};

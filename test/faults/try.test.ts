import { powerCuts, storms, systemCalls, twoKills } from './suite.ts';

powerCuts('part');
storms('part');
twoKills('part');
systemCalls('part');

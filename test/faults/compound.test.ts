import { twoKills } from './suite.ts';

twoKills('whole');

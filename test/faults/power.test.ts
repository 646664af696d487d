import { powerCuts } from './suite.ts';

powerCuts('whole');

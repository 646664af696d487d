import { systemCalls } from './suite.ts';

systemCalls('part');

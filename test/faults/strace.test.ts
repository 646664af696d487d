import { systemCalls } from './suite.ts';

systemCalls('whole');

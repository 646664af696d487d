import { storms } from './suite.ts';

storms('whole');

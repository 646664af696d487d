import { fullDisks } from './suite.ts';

fullDisks();

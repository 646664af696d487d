import { faultPoints } from './suite.ts';

faultPoints('whole');

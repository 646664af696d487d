/** The part of the fault battery that belongs to every run; the whole of it is `npm run test:faults`. */
import { faultPoints, powerCuts, storms, systemCalls, twoKills } from '../faults/suite.ts';

faultPoints('part');
systemCalls('part');
powerCuts('part');
twoKills('part');
storms('part');

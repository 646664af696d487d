/** The part of the fault battery that belongs to every run; the whole of it is `npm run test:faults`. */
import { faultPoints } from '../faults/suite.ts';

faultPoints('part');

/** The part of the fault battery's attacks on jobs that belongs to every run. */
import { jobFaults, jobStorms } from '../faults/suite.ts';

jobFaults('part');
jobStorms('part');

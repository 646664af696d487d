import { jobFaults, jobStorms } from './suite.ts';

jobFaults('whole');
jobStorms('whole');

import { jobFaults } from './suite.ts';

jobFaults('whole');

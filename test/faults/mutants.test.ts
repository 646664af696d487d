import { brokenBuilds } from './suite.ts';

brokenBuilds();

/** What a tick tells of what it did. */
import type { CleanupReport } from './clean.ts';
import type { DeliveryReport } from './deliver.ts';

export interface TickReport {
  /** sessions worked to the end */
  worked: string[];
  /** turns whose agent failed meanwhile; their messages stand in the inbox */
  failed: { sessionKey: string; reason: string }[];
  /** sessions somebody living holds */
  busy: string[];
  /** sessions that could not be worked, and why */
  problems: { sessionKey: string; reason: string }[];
  delivery: DeliveryReport;
  /** what retention removed; null where none is set, or it was looked at less than a day ago */
  cleanup: CleanupReport | null;
}

/** A tick that has done nothing yet. */
export function emptyReport(): TickReport {
  return {
    worked: [],
    failed: [],
    busy: [],
    problems: [],
    delivery: { sent: [], waiting: [] },
    cleanup: null,
  };
}

/** What the next tick reports if nothing changes; null where this one met something that the next has to look at again. */
export function idleReport({ worked, failed, busy, problems, delivery }: TickReport): TickReport | null {
  if ([worked, failed, busy, problems, delivery.sent].some(list => list.length > 0)) return null;
  return { ...emptyReport(), delivery: { sent: [], waiting: delivery.waiting } };
}

/** What a job had to say and nobody gets: how it is recorded, and how it is told. */
import type { RunRecord } from './run-record.ts';

type Delivery = NonNullable<RunRecord['delivery']>;

/** Of a delivery: its status and the reason. */
export type Unheard = Pick<Delivery, 'status' | 'reason'>;

/** `no-target`: nobody is known. `dead`: it is kept, and not sent before a person says so. `denied`: the send policy. */
const UNHEARD: ReadonlySet<string> = new Set(['no-target', 'dead', 'denied']);

/** Whether nobody gets what a run said. */
export function isUnheard(delivery: Delivery | undefined): boolean {
  return delivery !== undefined && UNHEARD.has(delivery.status);
}

/** Why nobody gets it, in words. */
export function whyUnheard({ status, reason }: Unheard): string {
  switch (reason) {
    case undefined:
    case 'no-target':
      return status === 'denied' ? 'the send policy holds it back' : 'nobody is known to send it to';
    case 'target-none':
      return 'heartbeat.target is none';
    case 'alerts-disabled':
      return "the channel's heartbeat.showAlerts is false";
    default:
      return status === 'denied' ? `${reason} holds it back` : reason;
  }
}

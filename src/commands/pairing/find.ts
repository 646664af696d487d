/** A stranger as the operator names him: by his code, or as `channel:id`. */
import { ClawError } from '../../core/errors.ts';
import { readCode } from '../../core/routing/pairing.ts';
import { normaliseChannel, slug } from '../../core/routing/slug.ts';
import type { Desk } from '../../runner/desk.ts';
import { listPairings, type PairingRow } from '../../store/pairings.ts';

export interface PairingChoice {
  channel?: string | undefined;
  account?: string | undefined;
}

/**
 * The one person that is meant. A code means only somebody who waits; `channel:id` anybody who is known.
 *
 * @throws ClawError `pairing-unknown`, `pairing-ambiguous`, or noPermission when an agent asks: who may
 *   talk to an agent is not the agent's to decide
 */
export function findPairing(desk: Desk, typed: string, choice: PairingChoice): PairingRow {
  refuseAgents(desk);
  const { rows, problems } = listPairings(desk.layout, desk.context.now());
  for (const { file, reason } of problems) desk.warn(`${file}: ${reason}; it is left in place`);
  const channel = choice.channel === undefined ? undefined : normaliseChannel(choice.channel);
  const account = choice.account === undefined ? undefined : slug(choice.account);
  const candidates = rows.filter(
    row =>
      (channel === undefined || row.channel === channel) &&
      (account === undefined || row.accountId === account),
  );
  const code = readCode(typed);
  const byCode = candidates.filter(row => row.state === 'waiting' && row.code === code);
  const found =
    byCode.length > 0
      ? byCode
      : candidates.filter(row => `${row.channel}:${row.id}` === withFoldedChannel(typed));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw unknown(typed);
  const each = found.map(row => `${row.channel}:${row.id} (account ${row.accountId})`).join(', ');
  throw new ClawError(
    'usage',
    'pairing-ambiguous',
    `${JSON.stringify(typed)} means more than one: ${each}`,
    'add --channel and --account',
  );
}

/** @throws ClawError noPermission */
export function refuseAgents(desk: Desk): void {
  if (!desk.context.env.CLAW_RUN_ID) return;
  throw new ClawError(
    'noPermission',
    'operator-only',
    'an agent cannot decide who may talk to it',
    'run it yourself, in a terminal',
  );
}

function withFoldedChannel(typed: string): string {
  const colon = typed.indexOf(':');
  return colon < 0 ? typed : `${normaliseChannel(typed.slice(0, colon))}${typed.slice(colon)}`;
}

function unknown(typed: string): ClawError {
  return typed.includes(':')
    ? new ClawError(
        'usage',
        'pairing-unknown',
        `nobody known as ${JSON.stringify(typed)} has asked to be let in`,
        'claw pairing list, or put the id into allowFrom of its channel',
      )
    : new ClawError(
        'usage',
        'pairing-unknown',
        `no stranger waits with the code ${JSON.stringify(typed)}; it may have expired`,
        'claw pairing list, then approve by channel:id, or wait for the next message, which brings a new code',
      );
}

/** "Alice (telegram:5)". */
export function personOf(row: PairingRow): string {
  const id = `${row.channel}:${row.id}${row.accountId === 'default' ? '' : ` (account ${row.accountId})`}`;
  return row.name === null ? id : `${row.name} (${id})`;
}

/** What people are told beside a reply: that a session began anew and why, that somebody else shares it. */
import type { ConfigInput } from '../config/schema.ts';
import type { Incoming } from './incoming.ts';
import { linkedPerson } from './routing/identity.ts';
import { kindOfKey } from './routing/session-key.ts';
import type { ResetInfo, SessionRecord } from './session/session.ts';

/**
 * A second person in a private session that is shared by its scope: what one says the other may be told. Null where the
 * newcomer is the one who spoke before, or where either is the operator's own shell.
 */
export function newPersonNotice(
  config: ConfigInput,
  record: SessionRecord | null,
  incoming: Incoming,
): string | null {
  if (incoming.job) return null;
  const kind = kindOfKey(incoming.key, config.session);
  if (kind !== 'main' && kind !== 'global') return null;
  const before = record?.lastRoute;
  const { channel, chatType, from } = incoming.message;
  if (before?.chatType !== 'dm' || chatType !== 'dm' || before.channel === 'cli' || channel === 'cli')
    return null;
  if (before.channel === channel && before.from === from) return null;
  const links = config.session?.identityLinks;
  const person = from === undefined ? undefined : linkedPerson(links, channel, from);
  if (
    person !== undefined &&
    before.from !== undefined &&
    linkedPerson(links, before.channel, before.from) === person
  )
    return null;
  return `${channel}:${from ?? '?'} shares session ${incoming.key} with ${before.channel}:${before.from ?? '?'}: each may be told what the other said; set session.dmScope, or identityLinks when they are one person`;
}

export const NOTHING_TOLD: { reset: ResetInfo | null; notices: string[] } = { reset: null, notices: [] };

/** What the next answer tells of a reset that the user has not heard of yet. */
export function tell(
  config: ConfigInput,
  record: SessionRecord,
): { reset: ResetInfo | null; notices: string[] } {
  const reset = record.untoldReset;
  if (!reset) return NOTHING_TOLD;
  const silent = ['user', 'cron'].includes(reset.reason) || config.session?.reset?.notifyUser === false;
  return { reset, notices: silent ? [] : [resetNotice(reset)] };
}

/** Notices and reply as one text, for who gets no document. */
export function spoken(notices: string[], reply: string): string {
  return [...notices.map(notice => `(${notice})`), reply].join('\n');
}

/** The sentence a user reads when a session was reset without being asked. */
export function resetNotice(reset: ResetInfo): string {
  const why = {
    daily: 'the daily reset time has passed',
    idle: 'it had been quiet for longer than the idle limit',
    size: 'its transcript had grown larger than session.maxTranscriptBytes',
    missing: 'its transcript was gone',
    operator: 'it was reset from the command line',
    user: 'you asked for it',
    resume: '',
    cron: 'a job begins its own with each run',
  }[reset.reason];
  const kept = ` The earlier conversation is kept (claw sessions history ${reset.previousSessionId}).`;
  if (reset.reason === 'resume') {
    return `An earlier conversation goes on here. The one until now is kept (claw sessions history ${reset.previousSessionId}).`;
  }
  return `New session: ${why}.${reset.reason === 'missing' ? '' : kept}`;
}

export function greeting(
  record: SessionRecord,
  reset: ResetInfo | null,
  model: string | null | undefined,
): string {
  const kept =
    reset && reset.reason !== 'missing'
      ? ` The earlier conversation is kept (${reset.previousSessionId}).`
      : '';
  return `New session${model ? ` with ${model}` : ''}. What can I do for you?${record.previousSessionId ? kept : ''}`;
}

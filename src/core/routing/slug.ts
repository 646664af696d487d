/** Names that claw itself gives meaning to: agent ids, account ids, channel names. Unlike ids of a channel they are folded. */

/** The agent that exists when none is configured. */
export const MAIN_AGENT = 'main';

/** Longest slug; longer names are cut where folding is allowed and refused where it would merge two accounts. */
export const LONGEST_SLUG = 64;

/** Words that begin the rest of a session key: as a channel's name they would make two keys of one spelling. */
const CHANNEL_WORDS: ReadonlySet<string> = new Set(['agent', 'cron', 'direct', 'dm', 'group', 'subagent']);

/** Words that may follow the channel in a session key, and so cannot be an account. */
const ACCOUNT_WORDS: ReadonlySet<string> = new Set(['channel', 'direct', 'dm', 'group', 'thread', 'topic']);

/**
 * Lower case, with every run of other characters than `a-z 0-9 _ -` as one dash, no dash at either end, at most 64
 * characters. Empty when nothing usable is left. `slug(slug(x)) === slug(x)`.
 */
export function slug(value: string): string {
  return value
    .trim()
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, LONGEST_SLUG)
    .replace(/-+$/, '');
}

/** An agent id as it stands in keys and paths: a slug, `main` where nothing usable is left. */
export function normaliseAgentId(value: string): string {
  return slug(value) || MAIN_AGENT;
}

/** A channel name as it stands in keys and config: trimmed and lower-cased. */
export function normaliseChannel(value: string): string {
  return value.trim().toLowerCase();
}

/** Whether a (normalised) name can be a channel: letters, digits and `_ . + @ -`, beginning with a letter or digit. */
export function isChannelName(name: string): boolean {
  return /^[\p{L}\p{N}][\p{L}\p{N}\p{M}_.+@-]{0,63}$/u.test(name);
}

/** Whether session keys use this word where a channel stands. */
export function isReservedChannel(channel: string): boolean {
  return CHANNEL_WORDS.has(channel);
}

/** Whether session keys use this word where an account stands. */
export function isReservedAccount(accountId: string): boolean {
  return ACCOUNT_WORDS.has(accountId);
}

/**
 * Names that lead to nobody outside: claw's own shell, and words that other systems use for what comes from inside. A
 * message from one is no route to send to later (openclaw#55271: an alert went to "@heartbeat").
 */
const INTERNAL_CHANNELS: ReadonlySet<string> = new Set([
  'agent',
  'cli',
  'cron',
  'heartbeat',
  'internal',
  'last',
  'none',
  'subagent',
  'system',
  'webchat',
]);

/** Whether a (normalised) channel name is one of claw's own, which nothing can be sent to. */
export function isInternalChannel(channel: string): boolean {
  return INTERNAL_CHANNELS.has(channel);
}

/** Whether a recipient is such a name, or begins with one as a session key would: `@heartbeat`, `cron:job-1`. */
export function isInternalTarget(to: string): boolean {
  const [, word = ''] = /^@?([a-z]+)(?:$|:)/i.exec(to.trim()) ?? [];
  return isInternalChannel(word.toLowerCase());
}

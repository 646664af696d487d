/**
 * Reset triggers: `/new`, `/reset` and what `session.resetTriggers` adds. A trigger is the whole message or its
 * beginning; what follows it is passed on to the new session, so a reset never costs the text it came with.
 */

import type { ConfigInput } from '../../config/schema.ts';
import type { ChatType } from '../routing/message.ts';

/** Triggers that need no configuration. */
export const RESET_TRIGGERS: readonly string[] = ['/new', '/reset'];

/** Models a person can name after a trigger. */
export interface KnownModels {
  /** short name → model, as in the config's `models` */
  aliases: Readonly<Record<string, string>>;
  /** models as they are configured, usually `provider/model` */
  models: readonly string[];
}

export interface TriggerMatch {
  /** the trigger as it is configured, whatever case it was typed in */
  trigger: string;
  /** the model named right after it, resolved; null when what follows is text */
  model: string | null;
  /** the text to pass on, verbatim; '' for a bare trigger */
  remainder: string;
}

/**
 * Finds a reset trigger at the beginning of a message. Case and surrounding whitespace do not matter; a trigger must
 * be the whole text or be followed by whitespace or a colon (`/newfoo` and `note: /new` are text). In rooms, mentions
 * before the trigger are skipped, and `/new@botname` is the same as `/new`.
 *
 * @param text what the person wrote, without labels a transport may have put before it
 * @param triggers the config's `resetTriggers`, added to `/new` and `/reset`
 * @param models models that may be named after the trigger; none: everything after it is text
 * @param botNames names this assistant answers to. Given, `/new@name` and `@name` must be one of them, so that a
 *   command for another bot of the room resets nothing here; absent, any name is taken for ours
 * @param disabled `new` and `reset` where they are not offered; what `triggers` adds stays
 */
export function matchTrigger(
  text: string,
  options: {
    triggers?: readonly string[];
    chatType: ChatType;
    models?: KnownModels;
    botNames?: readonly string[];
    disabled?: readonly string[];
  },
): TriggerMatch | null {
  const isOurs = addressees(options.botNames);
  const trimmed = text.trim();
  const command = options.chatType === 'dm' ? trimmed : withoutMentions(trimmed, isOurs);

  // The longest first, or "/new topic" would never be reached past "/new".
  const builtIn = RESET_TRIGGERS.filter(trigger => !options.disabled?.includes(trigger.slice(1)));
  const triggers = [...builtIn, ...(options.triggers ?? [])]
    .filter(trigger => trigger.trim() !== '')
    .sort((a, b) => b.length - a.length);
  for (const trigger of triggers) {
    const match = patternOf(trigger).exec(command);
    if (match === null) continue;
    const addressee = match.groups?.name;
    if (addressee !== undefined && !isOurs(addressee)) continue;
    const rest = command.slice(match[0].length);
    const hint = options.models === undefined ? null : resetModelHint(rest, options.models);
    return { trigger, model: hint?.model ?? null, remainder: hint?.remainder ?? rest };
  }
  return null;
}

/**
 * Takes a model off the beginning of what follows a trigger: an exact alias, a configured model, or the two words
 * `<provider> <model>` of one, in any case. Nothing is guessed: fuzzy matching turned the first word of ordinary
 * sentences into models.
 * @returns the model (resolved through the aliases) or null, and the text that is left
 */
export function resetModelHint(
  remainder: string,
  models: KnownModels,
): { model: string | null; remainder: string } {
  const words = /^(\S+)(?:\s+(\S+))?/.exec(remainder);
  const [, one = '', two] = words ?? [];
  const rest = (taken: string) => remainder.slice(taken.length).trimStart();
  const single = aliasTarget(one, models.aliases) ?? knownModel(one, models.models);
  if (single !== undefined) return { model: single, remainder: rest(one) };
  const pair = two === undefined ? undefined : knownModel(`${one}/${two}`, models.models);
  if (pair !== undefined) return { model: pair, remainder: rest(words?.[0] ?? '') };
  return { model: null, remainder };
}

/** The models a configuration knows: its aliases, what they stand for, and what agents are set to. */
export function knownModels(config: ConfigInput): KnownModels {
  const aliases = config.models ?? {};
  const agents = [config.agents?.defaults, ...(config.agents?.list ?? [])];
  const models = [...Object.values(aliases), ...agents.flatMap(agent => agent?.model ?? [])];
  return { aliases, models: [...new Set(models)] };
}

/** The model a configured alias stands for; aliases mean the same in any case. */
export function aliasTarget(word: string, aliases: Readonly<Record<string, string>>): string | undefined {
  const wanted = word.toLowerCase();
  return Object.entries(aliases).find(([alias]) => alias.toLowerCase() === wanted)?.[1];
}

/** A configured model, written as it is configured. */
export function knownModel(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  return known.find(model => model.toLowerCase() === wanted);
}

/** Whom a command or mention must name to be meant for us; without names, anybody's will do. */
export function addressees(botNames: readonly string[] | undefined): (name: string) => boolean {
  return name => botNames === undefined || botNames.some(own => own.toLowerCase() === name.toLowerCase());
}

/** Skips `@4915…` and `@botname` (with a comma or colon) at the beginning; a mention of somebody else stays. */
export function withoutMentions(text: string, isOurs: (name: string) => boolean): string {
  let rest = text;
  for (;;) {
    const match = /^@([^\s,:]+)[,:]?\s+/.exec(rest);
    if (match === null) return rest;
    const name = match[1] ?? '';
    if (!/^\+?\d+$/.test(name) && !isOurs(name)) return rest;
    rest = rest.slice(match[0].length);
  }
}

/** The trigger, any whitespace between its words, an addressee after a slash command, and what separates the rest. */
function patternOf(trigger: string): RegExp {
  const words = trigger.trim().split(/\s+/).map(escapeRegExp).join('\\s+');
  const addressee = trigger.startsWith('/') ? '(?:@(?<name>[^\\s:]+))?' : '';
  return new RegExp(`^${words}${addressee}(?:\\s*:\\s*|\\s+|$)`, 'iu');
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}

/** The model that a name given by an operator means: an alias, a known model in any case, else as the runner may know it. */
export function modelNamed(config: ConfigInput, name: string): string {
  const { aliases, models } = knownModels(config);
  const wanted = name.trim();
  return aliasTarget(wanted, aliases) ?? knownModel(wanted, models) ?? wanted;
}

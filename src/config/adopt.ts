/**
 * The configuration of another system, as far as it means something here. Unlike `validate.ts`, which refuses a text
 * with a single mistake, this takes what can be taken and says what was left: such a file configures a whole gateway.
 * Where a rule about who may write cannot be read, the channel is closed, never opened.
 */
import JSON5 from 'json5';
import { restrictsAccess } from './access-key.ts';
import { type ConfigPath, formatPath, isRecord, valueAt } from './config-path.ts';
import { translateDialects } from './dialects.ts';
import { checkRules } from './rules.ts';
import type { ConfigInput } from './schema.ts';
import { shapeProblems } from './validate.ts';

export interface LeftOut {
  path: string;
  reason: string;
}

export interface Adoption {
  /** canonical form, valid; null when the text is no JSON5 object */
  config: ConfigInput | null;
  /** what was translated */
  notes: string[];
  leftOut: LeftOut[];
  /** paths of secrets; their values are nowhere in here */
  secrets: string[];
  /** `session.mainKey` as it stood there */
  mainKey: string | undefined;
}

/** Names whose value gives access. */
const SECRET = /(?:token|secret|password|passphrase|api_?key|private_?key|credential)s?$/i;

/** What a token counter is called; these are no secrets. */
const NOT_SECRET = /^(?:context|max|summaryMax|reserve|modelMaxOutput)Tokens$/i;

/** Blocks of a gateway that nothing here does, named once instead of key by key. */
const ELSEWHERE = [
  'auth',
  'gateway',
  'env',
  'plugins',
  'skills',
  'wizard',
  'meta',
  'browser',
  'hooks',
  'tools',
];

const MOST_ROUNDS = 200;

/** @param text JSON5 of any of the dialects */
export function adoptConfig(text: string): Adoption {
  const adoption: Adoption = { config: null, notes: [], leftOut: [], secrets: [], mainKey: undefined };
  let raw: unknown;
  try {
    raw = JSON5.parse(text);
  } catch (error) {
    adoption.leftOut.push({ path: '', reason: (error as Error).message });
    return adoption;
  }
  if (!isRecord(raw)) {
    adoption.leftOut.push({ path: '', reason: 'it is not an object' });
    return adoption;
  }
  takeSecrets(raw, [], adoption);
  for (const name of ELSEWHERE) {
    if (!(name in raw)) continue;
    delete raw[name];
    adoption.leftOut.push({ path: name, reason: 'claw has nothing that this configures' });
  }
  const translation = translateDialects(raw);
  adoption.notes.push(...translation.notes);
  for (const { path, message } of translation.problems)
    adoption.leftOut.push({ path: formatPath(path), reason: message });
  const { config } = translation;
  if (!isRecord(config)) return adoption;
  takeCommands(config, adoption);
  const mainKey = valueAt(config, ['session', 'mainKey']);
  if (typeof mainKey === 'string') adoption.mainKey = mainKey;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const faults = faultsOf(config);
    if (faults.length === 0) {
      closeByDefault(config as ConfigInput, adoption);
      adoption.config = config as ConfigInput;
      return adoption;
    }
    for (const { path, message } of faults) {
      adoption.leftOut.push({ path: formatPath(translation.sourceOf(path)), reason: message });
      remove(config, path);
    }
  }
  return adoption;
}

/** What the schema refuses, else what the rules do. */
function faultsOf(config: Record<string, unknown>): { path: ConfigPath; message: string }[] {
  const shape = shapeProblems(config).map(({ path, message, unknown }) => ({
    path,
    message: unknown ? 'claw has no such key' : message,
  }));
  return shape.length > 0 ? shape : checkRules(config as ConfigInput).errors;
}

/** Takes one path out. A rule about who may write leaves the channel closed; a path that is gone takes its parent along. */
function remove(config: Record<string, unknown>, path: ConfigPath): void {
  const value = valueAt(config, path);
  const isOff = path.at(-1) === 'enabled' && value === false;
  const isChannel = path.length === 2;
  const closes = path[0] === 'channels' && (isChannel || isOff || restrictsAccess(path.slice(2), value));
  let at = path;
  while (at.length > 0 && valueAt(config, at) === undefined) at = at.slice(0, -1);
  const parent = valueAt(config, at.slice(0, -1));
  const last = at.at(-1);
  if (Array.isArray(parent) && typeof last === 'number') parent.splice(last, 1);
  else if (isRecord(parent) && last !== undefined) delete parent[last];
  if (!closes) return;
  // The account it stood in, else the channel.
  const owner = path[2] === 'accounts' && path.length > 4 ? path.slice(0, 4) : path.slice(0, 2);
  const settings = valueAt(config, owner);
  const closed = { dmPolicy: 'disabled', groupPolicy: 'disabled' };
  if (isRecord(settings)) Object.assign(settings, closed);
  else if (isRecord(config.channels)) config.channels[String(path[1])] = closed;
  else config.channels = { [String(path[1])]: closed };
}

/**
 * Those systems let no stranger in who was not approved, and answer only in groups they were told of, unless their
 * configuration says otherwise; here a channel without a word about it is open. So the word is written down.
 */
function closeByDefault({ channels }: ConfigInput, adoption: Adoption): void {
  for (const [id, channel] of Object.entries(channels ?? {})) {
    const said: string[] = [];
    if (channel.dmPolicy === undefined && channel.allowFrom === undefined) {
      channel.dmPolicy = 'pairing';
      said.push('dmPolicy is "pairing"');
    }
    if (channel.groupPolicy === undefined) {
      channel.groupPolicy = 'allowlist';
      said.push('groupPolicy is "allowlist"');
    }
    if (said.length > 0)
      adoption.notes.push(`channels.${id}: ${said.join(' and ')}, as in that system, where it says nothing`);
  }
}

function takeSecrets(value: unknown, path: ConfigPath, adoption: Adoption): void {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) takeSecrets(item, [...path, index], adoption);
  } else if (isRecord(value)) {
    for (const [name, below] of Object.entries(value)) {
      const isSecret = SECRET.test(name) && !NOT_SECRET.test(name) && typeof below === 'string';
      if (isSecret) {
        adoption.secrets.push(formatPath([...path, name]));
        delete value[name];
      } else takeSecrets(below, [...path, name], adoption);
    }
  }
}

/** What claw would run as a program comes from its owner's hand, never out of a folder that was imported. */
function takeCommands(raw: Record<string, unknown>, adoption: Adoption): void {
  const reason = 'commands are not taken over; write them yourself';
  const take = (holder: unknown, name: string, path: ConfigPath) => {
    if (!isRecord(holder) || !(name in holder)) return;
    delete holder[name];
    adoption.leftOut.push({ path: formatPath([...path, name]), reason });
  };
  take(raw, 'runners', []);
  for (const [id, channel] of Object.entries(isRecord(raw.channels) ? raw.channels : {})) {
    take(channel, 'send', ['channels', id]);
    const accounts = isRecord(channel) && isRecord(channel.accounts) ? channel.accounts : {};
    for (const [name, account] of Object.entries(accounts))
      take(account, 'send', ['channels', id, 'accounts', name]);
  }
}

/**
 * What a schema cannot say: checks across keys, and names that must mean something on this machine. Each rule reads a
 * configuration of the right shape and reports; none prints, throws or changes anything.
 */

import { endpointProblem } from '../core/delivery/endpoint.ts';
import { SENDER_PLACEHOLDERS, unknownPlaceholders } from '../core/delivery/placeholder.ts';
import {
  kindsOf,
  NEEDED_SETTINGS,
  SECRET_SETTINGS,
  SENDER_KINDS,
  type SenderKind,
} from '../core/delivery/sender.ts';
import { splitKey } from '../core/routing/session-key.ts';
import {
  isChannelName,
  isReservedAccount,
  isReservedChannel,
  MAIN_AGENT,
  normaliseAgentId,
  slug,
} from '../core/routing/slug.ts';
import { PRESET_NAMES, presetOf } from '../core/runner/preset.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { isKnownTarget } from '../core/schedule/heartbeat.ts';
import { isKnownZone } from '../core/schedule/zone.ts';
import { DIRECTIVES, disabledDirectives } from '../core/session/directive.ts';
import { type ConfigPath, formatPath, isRecord, type Problem } from './config-path.ts';
import { BUILT_IN_RUNNERS } from './defaults.ts';
import { nearest } from './nearest.ts';
import type { ConfigInput, SenderConfig } from './schema.ts';

type HeartbeatConfig = NonNullable<NonNullable<NonNullable<ConfigInput['agents']>['defaults']>['heartbeat']>;

/** Where a rule puts what it finds: errors refuse the configuration, warnings become notes. */
export interface RuleReport {
  error(path: ConfigPath, message: string): void;
  warn(path: ConfigPath, message: string): void;
}

export interface Rule {
  /**
   * Top-level keys the rule compares; it is left out where one of them is not as the schema wants it. None: it looks at
   * values one by one, and what is left of the configuration is enough.
   */
  reads: readonly (keyof ConfigInput)[];
  check(config: ConfigInput, report: RuleReport): void;
}

const agentIds: Rule = {
  reads: ['agents'],
  check(config, report) {
    const seen = new Map<string, number>();
    for (const [index, { id }] of agentsOf(config).entries()) {
      const path = ['agents', 'list', index, 'id'];
      const normal = normaliseAgentId(id);
      if (normal !== id.toLowerCase()) {
        report.error(path, `"${id}" becomes part of session keys and paths; write "${normal}"`);
      }
      const first = seen.get(normal);
      if (first !== undefined) report.error(path, `"${id}" is also the id of agents.list[${first}]`);
      else seen.set(normal, index);
    }
    const defaults = agentsOf(config).filter(agent => agent.default === true);
    if (defaults.length > 1) {
      const names = defaults.map(({ id }) => `"${id}"`).join(', ');
      report.error(['agents', 'list'], `only one agent can be the default, these are: ${names}`);
    }
  },
};

const workspaces: Rule = {
  reads: ['agents'],
  check(config, report) {
    const shared = config.agents?.defaults?.workspace;
    const users = new Map<string, number[]>();
    const list = agentsOf(config);
    for (const [index, { workspace = shared }] of list.entries()) {
      if (workspace === undefined) continue;
      const place = workspace.replace(/\/+$/, '');
      users.set(place, [...(users.get(place) ?? []), index]);
    }
    for (const [place, indexes] of users) {
      if (indexes.length < 2) continue;
      const last = indexes.at(-1)!;
      const names = indexes.map(index => list[index]!.id);
      const isInherited = list[last]!.workspace === undefined;
      report.warn(
        isInherited ? ['agents', 'defaults', 'workspace'] : ['agents', 'list', last, 'workspace'],
        `${names.slice(0, -1).join(', ')} and ${names.at(-1)} work in one folder (${place}): they share its files, notes and HEARTBEAT.md; give each its own agents.list[].workspace if that is not meant`,
      );
    }
  },
};

const bindingAgents: Rule = {
  reads: ['agents', 'bindings'],
  check(config, report) {
    const list = agentsOf(config);
    const known = list.length > 0 ? list.map(({ id }) => normaliseAgentId(id)) : [MAIN_AGENT];
    for (const [index, { agentId }] of (config.bindings ?? []).entries()) {
      if (known.includes(slug(agentId))) continue;
      report.error(
        ['bindings', index, 'agentId'],
        `the agent "${agentId}" is not configured in agents.list${meant(agentId, known)}`,
      );
    }
  },
};

const otherAgents: Rule = {
  reads: ['agents', 'session'],
  check(config, report) {
    const list = agentsOf(config);
    const known = list.length > 0 ? list.map(({ id }) => normaliseAgentId(id)) : [MAIN_AGENT];
    for (const [index, agentId] of (config.session?.agentToAgent?.allow ?? []).entries()) {
      if (known.includes(slug(agentId))) continue;
      report.error(
        ['session', 'agentToAgent', 'allow', index],
        `the agent "${agentId}" is not configured in agents.list${meant(agentId, known)}`,
      );
    }
  },
};

const pairingCodes: Rule = {
  reads: ['channels'],
  check(config, report) {
    for (const [channel, { pairing }] of Object.entries(config.channels ?? {})) {
      if (pairing?.expires !== undefined && parseDuration(pairing.expires) === 0)
        report.error(['channels', channel, 'pairing', 'expires'], 'expected a time above 0');
    }
  },
};

const runnerNames: Rule = {
  reads: ['agents', 'runners'],
  check(config, report) {
    const own = [...BUILT_IN_RUNNERS, ...Object.keys(config.runners ?? {})];
    const known: string[] = [...own, ...PRESET_NAMES];
    const check = (path: ConfigPath, runner: string | undefined) => {
      if (runner === undefined || known.includes(runner)) return;
      report.error(
        path,
        `there is no runner "${runner}"${meant(runner, known)}; known: ${own.join(', ')}; presets: ${PRESET_NAMES.join(', ')}`,
      );
    };
    check(['agents', 'defaults', 'runner'], config.agents?.defaults?.runner);
    for (const [index, agent] of agentsOf(config).entries())
      check(['agents', 'list', index, 'runner'], agent.runner);
    for (const name of BUILT_IN_RUNNERS) {
      if (config.runners !== undefined && Object.hasOwn(config.runners, name)) {
        report.error(['runners', name], `"${name}" is built in; give this runner another name`);
      }
    }
    for (const [name, runner] of Object.entries(config.runners ?? {})) {
      if (presetOf(name, runner) !== undefined) {
        if (runner.args !== undefined && runner.resumeArgs === undefined && runner.context === undefined)
          report.warn(
            ['runners', name, 'args'],
            'replaces what the preset says of a first run only; set resumeArgs too, or use moreArgs for both',
          );
        continue;
      }
      const hasPlace = (runner.args ?? [])
        .flat()
        .some(arg => /\{\{(?:Native)?Session(?:Id|Key)\}\}/.test(arg));
      if (runner.context === 'native' && runner.resumeArgs === undefined && !hasPlace)
        report.warn(
          ['runners', name, 'context'],
          'claw sends the message alone: set resumeArgs with {{NativeSessionId}}, or give {{SessionId}} in args to a program that finds its session by it',
        );
      if (runner.command === undefined)
        report.error(['runners', name, 'command'], 'is missing: expected string, or a preset beside it');
      for (const key of ['moreArgs', 'permissions'] as const) {
        if (runner[key] !== undefined)
          report.error(['runners', name, key], 'belongs to a preset; here args say all of it');
      }
    }
  },
};

const channelNames: Rule = {
  reads: ['channels'],
  check(config, report) {
    for (const [channel, { accounts = {} }] of Object.entries(config.channels ?? {})) {
      const path = ['channels', channel];
      if (isReservedChannel(channel))
        report.error(path, `"${channel}" has a meaning of its own in session keys`);
      else if (!isChannelName(channel)) report.error(path, `"${channel}" cannot be the name of a channel`);
      const seen = new Map<string, string>();
      for (const account of Object.keys(accounts)) {
        const normal = slug(account);
        const other = seen.get(normal);
        if (normal === '' || isReservedAccount(normal)) {
          report.error([...path, 'accounts', account], `"${account}" cannot be the id of an account`);
        } else if (other !== undefined) {
          report.error(
            [...path, 'accounts', account],
            `"${account}" and "${other}" are the same account, "${normal}"`,
          );
        }
        seen.set(normal, account);
      }
    }
  },
};

const access: Rule = {
  reads: ['channels'],
  check(config, report) {
    for (const [channel, settings] of Object.entries(config.channels ?? {})) {
      if (settings.dmPolicy === 'allowlist' && (settings.allowFrom ?? []).length === 0) {
        report.warn(
          ['channels', channel, 'dmPolicy'],
          'allowlist without allowFrom: nobody can write in private',
        );
      }
    }
  },
};

const mainKey: Rule = {
  reads: ['session'],
  check(config, report) {
    const key = config.session?.mainKey;
    if (key !== undefined && slug(key) !== key.trim().toLowerCase()) {
      report.error(
        ['session', 'mainKey'],
        `"${key}" becomes part of session keys; write "${slug(key) || 'main'}"`,
      );
    }
  },
};

const zones: Rule = {
  reads: [],
  check(config, report) {
    for (const { path, value } of stringsAt(config, /(^|\.)(timezone|tz)$/)) {
      if (!isKnownZone(value)) {
        report.error(path, `"${value}" is no IANA time zone known here, such as "Europe/Stockholm" or "UTC"`);
      }
    }
  },
};

const durations: Rule = {
  reads: [],
  check(config, report) {
    for (const block of ['retention', 'session', 'cron'] as const) {
      for (const { path, value } of stringsAt(
        config[block],
        /(^|\.)(messageIds|deliveries|logs|archived|torn|maxAge)$/,
      )) {
        // Zero would mean "remove everything at once": never what a limit of 0 is meant to say (openclaw#119945).
        if (parseDuration(value) === 0)
          report.error([block, ...path], 'expected a time above 0; leave the key out to keep everything');
      }
    }
  },
};

const heartbeats: Rule = {
  reads: ['agents', 'channels'],
  check(config, report) {
    const check = (path: ConfigPath, block: HeartbeatConfig | undefined, agentId: string | null) => {
      const { target, activeHours, session } = block ?? {};
      if (target !== undefined && !isKnownTarget(config, target)) {
        const known = ['last', 'none', ...Object.keys(config.channels ?? {})];
        const what = `there is no channel "${target}"${meant(target, known)}; expected last, none or a channel`;
        report.error([...path, 'target'], what);
      }
      if (activeHours !== undefined && activeHours.start === activeHours.end) {
        const what = 'is also the start: that could mean all day or never; leave activeHours out for all day';
        report.error([...path, 'activeHours', 'end'], what);
      }
      const named = splitKey(session?.trim() ?? '')?.agentId;
      if (agentId !== null && named !== undefined && named !== agentId)
        report.error(
          [...path, 'session'],
          `is a session of agent "${named}"; a heartbeat runs in one of its own`,
        );
    };
    check(['agents', 'defaults', 'heartbeat'], config.agents?.defaults?.heartbeat, null);
    for (const [index, { id, heartbeat }] of agentsOf(config).entries())
      check(['agents', 'list', index, 'heartbeat'], heartbeat, normaliseAgentId(id));
  },
};

const patterns: Rule = {
  reads: [],
  check(config, report) {
    const check = (path: ConfigPath, list: readonly string[] | undefined) => {
      for (const [index, pattern] of (list ?? []).entries()) {
        try {
          new RegExp(pattern, 'i');
        } catch (error) {
          if (!(error instanceof SyntaxError)) throw error;
          report.error([...path, index], `${error.message}`);
        }
      }
    };
    check(['messages', 'groupChat', 'mentionPatterns'], config.messages?.groupChat?.mentionPatterns);
    for (const [index, agent] of agentsOf(config).entries()) {
      check(['agents', 'list', index, 'groupChat', 'mentionPatterns'], agent.groupChat?.mentionPatterns);
    }
  },
};

const commandNames: Rule = {
  reads: ['commands'],
  check(config, report) {
    for (const [index, name] of (config.commands?.disabled ?? []).entries()) {
      if (disabledDirectives({ commands: { disabled: [name] } }).length > 0) continue;
      const known = DIRECTIVES.map(row => row.name);
      report.warn(['commands', 'disabled', index], `there is no command "${name}"${meant(name, known)}`);
    }
  },
};

const identityLinks: Rule = {
  reads: ['session'],
  check(config, report) {
    const links = config.session?.identityLinks ?? {};
    const people: [ConfigPath, readonly string[]][] = Array.isArray(links)
      ? links.map((link, index) => [
          ['session', 'identityLinks', index, 'ids'],
          link.sharedSession === false ? [] : link.ids,
        ])
      : Object.entries(links).map(([name, ids]) => [['session', 'identityLinks', name], ids]);
    const owner = new Map<string, ConfigPath>();
    for (const [path, ids] of people) {
      for (const id of ids) {
        const other = owner.get(id);
        if (other !== undefined && other !== path) {
          report.error(path, `"${id}" stands in ${formatPath(other)} too; an id belongs to one person`);
        }
        owner.set(id, path);
      }
    }
  },
};

const senders: Rule = {
  reads: ['channels'],
  check(config, report) {
    for (const [id, channel] of Object.entries(config.channels ?? {})) {
      checkSender(['channels', id, 'send'], channel.send, report);
      for (const [account, { send }] of Object.entries(channel.accounts ?? {}))
        checkSender(['channels', id, 'accounts', account, 'send'], send, report);
    }
  },
};

/** What belongs to a command and to nothing else. */
const OF_A_COMMAND = ['args', 'env', 'timeoutSeconds'] as const;

function checkSender(path: ConfigPath, send: SenderConfig | undefined, report: RuleReport): void {
  if (send === undefined || send === 'none') return;
  const [kind, ...others] = kindsOf(send);
  const stray = OF_A_COMMAND.filter(name => send[name] !== undefined);
  if (kind === undefined) {
    if (stray.length > 0) report.error([...path, 'command'], 'is missing: expected string');
    else report.error(path, `names no kind of sender; there are ${SENDER_KINDS.join(', ')}`);
    return;
  }
  if (others.length > 0) {
    report.error(
      path,
      `has ${1 + others.length} kinds of sender (${[kind, ...others].join(', ')}); leave one`,
    );
    return;
  }
  if (kind !== 'command') {
    for (const name of stray) report.error([...path, name], 'belongs to a command, and there is none');
  }
  for (const [index, arg] of (send.args ?? []).entries()) {
    for (const name of unknownPlaceholders(arg)) {
      const near = meant(name, SENDER_PLACEHOLDERS);
      const known = SENDER_PLACEHOLDERS.map(each => `{{${each}}}`).join(' ');
      report.error([...path, 'args', index], `there is no {{${name}}}${near}; known: ${known}`);
    }
  }
  const settings = send[kind];
  if (isRecord(settings)) checkService([...path, kind], kind, settings, report);
}

function checkService(
  path: ConfigPath,
  kind: SenderKind,
  settings: Record<string, unknown>,
  report: RuleReport,
): void {
  const given = (name: string) =>
    [name, `${name}Env`, `${name}File`].filter(each => settings[each] !== undefined);
  for (const name of SECRET_SETTINGS[kind]) {
    const ways = given(name);
    if (ways.length > 1) report.error([...path, ways[1]!], `stands beside ${ways[0]}; leave one`);
  }
  const needed = NEEDED_SETTINGS[kind] ?? [];
  const set = needed.filter(name => given(name).length > 0);
  if (needed.length > 0 && set.length === 0)
    report.error(
      path,
      `needs one of ${needed.flatMap(name => [name, `${name}Env`, `${name}File`]).join(', ')}`,
    );
  if (set.length > 1) report.error(path, `has ${set.join(' and ')}; leave one`);
  for (const name of ['url', 'apiUrl', 'webhookUrl']) {
    const problem = typeof settings[name] === 'string' ? endpointProblem(settings[name]) : null;
    if (problem !== null) report.error([...path, name], problem);
  }
  for (const name of ['headers', 'headersEnv']) {
    for (const [header, value] of Object.entries((settings[name] ?? {}) as Record<string, string>)) {
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(header) || OWN_HEADERS.includes(header.toLowerCase()))
        report.error([...path, name, header], 'cannot be set as a header');
      else if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(value))
        report.error([...path, name, header], 'has a character that a header cannot hold');
    }
  }
}

/** Headers that claw or the connection set. */
const OWN_HEADERS = [
  'connection',
  'content-length',
  'content-type',
  'host',
  'idempotency-key',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
];

const legacyIdle: Rule = {
  reads: ['session'],
  check(config, report) {
    const { idleMinutes, reset, resetByType } = config.session ?? {};
    if (idleMinutes === undefined || reset?.mode !== undefined) return;
    if (reset === undefined && resetByType === undefined) return;
    // Alone it meant "idle and nothing else"; whoever adds a reset block for another reason loses a session at 04:00.
    report.warn(
      ['session', 'idleMinutes'],
      'beside session.reset or session.resetByType it adds to a daily reset; say session.reset.mode to choose',
    );
  },
};

export const RULES: readonly Rule[] = [
  agentIds,
  workspaces,
  bindingAgents,
  otherAgents,
  pairingCodes,
  runnerNames,
  channelNames,
  access,
  mainKey,
  zones,
  durations,
  heartbeats,
  patterns,
  commandNames,
  identityLinks,
  senders,
  legacyIdle,
];

/**
 * Runs every rule.
 * @param broken top-level keys that did not pass the schema; rules that read one of them are left out, because what
 *   they would say follows from the first mistake
 */
export function checkRules(
  config: ConfigInput,
  broken: ReadonlySet<string> = new Set(),
): { errors: Problem[]; warnings: Problem[] } {
  const errors: Problem[] = [];
  const warnings: Problem[] = [];
  const report: RuleReport = {
    error: (path, message) => errors.push({ path, message }),
    warn: (path, message) => warnings.push({ path, message }),
  };
  for (const rule of RULES) {
    if (!rule.reads.some(key => broken.has(key))) rule.check(config, report);
  }
  return { errors, warnings };
}

function agentsOf(config: ConfigInput) {
  return config.agents?.list ?? [];
}

function meant(name: string, known: readonly string[]): string {
  const near = nearest(name, known);
  return near === undefined ? '' : `; did you mean "${near}"?`;
}

/** All strings whose dotted path ends as the pattern wants, with their paths. */
function stringsAt(
  value: unknown,
  pattern: RegExp,
  path: ConfigPath = [],
): { path: ConfigPath; value: string }[] {
  if (typeof value === 'string') return pattern.test(path.join('.')) ? [{ path, value }] : [];
  if (Array.isArray(value)) return value.flatMap((item, index) => stringsAt(item, pattern, [...path, index]));
  if (!isRecord(value)) return [];
  return Object.entries(value).flatMap(([key, item]) => stringsAt(item, pattern, [...path, key]));
}

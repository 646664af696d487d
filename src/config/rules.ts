/**
 * What a schema cannot say: checks across keys, and names that must mean something on this machine. Each rule reads a
 * configuration of the right shape and reports; none prints, throws or changes anything.
 */

import {
  isChannelName,
  isReservedAccount,
  isReservedChannel,
  MAIN_AGENT,
  normaliseAgentId,
  slug,
} from '../core/routing/slug.ts';
import { parseDuration } from '../core/schedule/duration.ts';
import { isKnownZone } from '../core/schedule/zone.ts';
import { DIRECTIVES, disabledDirectives } from '../core/session/directive.ts';
import { type ConfigPath, formatPath, isRecord, type Problem } from './config-path.ts';
import { BUILT_IN_RUNNERS } from './defaults.ts';
import { nearest } from './nearest.ts';
import type { ConfigInput } from './schema.ts';

/** Where a rule puts what it finds: errors refuse the configuration, warnings become notes. */
export interface RuleReport {
  error(path: ConfigPath, message: string): void;
  warn(path: ConfigPath, message: string): void;
}

export interface Rule {
  /** top-level keys the rule looks at; it is left out where one of them is not as the schema wants it */
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

const runnerNames: Rule = {
  reads: ['agents', 'runners'],
  check(config, report) {
    const known = [...BUILT_IN_RUNNERS, ...Object.keys(config.runners ?? {})];
    const check = (path: ConfigPath, runner: string | undefined) => {
      if (runner === undefined || known.includes(runner)) return;
      report.error(path, `there is no runner "${runner}"${meant(runner, known)}; known: ${known.join(', ')}`);
    };
    check(['agents', 'defaults', 'runner'], config.agents?.defaults?.runner);
    for (const [index, agent] of agentsOf(config).entries())
      check(['agents', 'list', index, 'runner'], agent.runner);
    for (const name of BUILT_IN_RUNNERS) {
      if (config.runners !== undefined && Object.hasOwn(config.runners, name)) {
        report.error(['runners', name], `"${name}" is built in; give this runner another name`);
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
  reads: ['timezone', 'session', 'agents'],
  check(config, report) {
    for (const { path, value } of stringsAt(config, /(^|\.)(timezone|tz)$/)) {
      if (!isKnownZone(value)) {
        report.error(path, `"${value}" is no IANA time zone known here, such as "Europe/Stockholm" or "UTC"`);
      }
    }
  },
};

const durations: Rule = {
  reads: ['retention', 'session', 'cron'],
  check(config, report) {
    for (const block of ['retention', 'session', 'cron'] as const) {
      for (const { path, value } of stringsAt(
        config[block],
        /(^|\.)(messageIds|deliveries|logs|archived|maxAge)$/,
      )) {
        // Zero would mean "remove everything at once": never what a limit of 0 is meant to say (openclaw#119945).
        if (parseDuration(value) === 0)
          report.error([block, ...path], 'expected a time above 0; leave the key out to keep everything');
      }
    }
  },
};

const patterns: Rule = {
  reads: ['messages', 'agents'],
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
  bindingAgents,
  runnerNames,
  channelNames,
  access,
  mainKey,
  zones,
  durations,
  patterns,
  commandNames,
  identityLinks,
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

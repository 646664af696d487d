/** The options of `cron add` and `cron edit`: fields of a definition, as `patchJob` takes them. */
import { Option } from 'clipanion';
import type { ConfigInput } from '../../config/schema.ts';
import { ClawError } from '../../core/errors.ts';
import { configuredAgentId, readSessionKey } from '../../core/routing/route.ts';
import { isChannelName, normaliseChannel } from '../../core/routing/slug.ts';
import { parseDuration } from '../../core/schedule/duration.ts';
import type { JobPayload } from '../../core/schedule/job.ts';
import { storedSchedule } from '../../core/schedule/schedule.ts';
import type { Zone } from '../../core/schedule/zone.ts';
import { readSetting } from '../../core/session/settings.ts';
import { ClawCommand } from '../base.ts';
import { countOption } from '../count-option.ts';
import { scheduleOption, zoneOption } from './schedule-option.ts';

type Fields = Record<string, unknown>;

export interface OptionFacts {
  now: number;
  /** of the user */
  zone: Zone;
  config: ConfigInput;
}

const DELIVERY = ['deliver', 'channel', 'to', 'accountId', 'bestEffortDeliver'] as const;

/** Options that only some payloads have, by the field they set. */
const OPTION_OF: Readonly<Record<string, string>> = {
  model: '--model',
  thinking: '--thinking',
  timeoutSeconds: '--timeout',
  deliver: '--deliver',
  channel: '--channel',
  to: '--to',
  accountId: '--account',
  bestEffortDeliver: '--best-effort-deliver',
};

export abstract class JobOptionsCommand extends ClawCommand {
  name = Option.String('--name', { description: 'what people call it; default: from its text' });
  description = Option.String('--description', { description: 'a longer note for people' });
  at = Option.String('--at', { description: 'once: a duration from now (20m) or ISO 8601' });
  every = Option.String('--every', { description: 'again and again: a duration, such as 90m' });
  anchor = Option.String('--anchor', { description: 'where the grid of --every begins; default: now' });
  cron = Option.String('--cron', { description: 'five fields, or six with seconds in front' });
  tz = Option.String('--tz', {
    description: "IANA zone of --cron, --at, --anchor; default: the config's, else the host's",
  });
  session = Option.Array('--session', {
    description: 'main (events), isolated (a fresh session each run), or the key of a session',
  });
  message = Option.String('--message', { description: 'an agent turn with this prompt' });
  systemEvent = Option.String('--system-event', { description: 'a text that the main session hears of' });
  exec = Option.String('--exec', {
    tolerateBoolean: true,
    description:
      'a command, behind all options: a program with its arguments (--exec df -h), or a line for sh -c in quotes, behind which options may follow',
  });
  wake = Option.String('--wake', {
    description: 'now or next-heartbeat (default): when the main session reacts',
  });
  deliver = Option.Boolean('--deliver', { description: 'send what it says; --no-deliver: do not' });
  channel = Option.String('--channel', {
    description: 'channel to send by; last (default): the last route of the main session',
  });
  to = Option.String('--to', { description: 'recipient on that channel' });
  account = Option.String('--account', { description: 'account of that channel' });
  bestEffort = Option.Boolean('--best-effort-deliver', {
    description: 'run also where there is nobody to deliver to; without it such a run is a failure',
  });
  deleteAfterRun = Option.Boolean('--delete-after-run', {
    description: 'remove the job after it has succeeded',
  });
  model = Option.String('--model', { description: 'model of its turns' });
  thinking = Option.String('--thinking', { description: 'thinking level of its turns' });
  timeout = Option.String('--timeout', { description: 'longest run: seconds, or a duration such as 5m' });
  agent = Option.String('--agent', { description: 'agent; default: the default agent' });
  catchUp = Option.String('--catch-up', { description: 'missed instants: skip, once (default) or all' });
  grace = Option.String('--grace', { description: 'how late an instant may still be run, a duration' });
  retries = Option.String('--retries', { description: 'further tries of a failed run' });
  disableAfter = Option.String('--disable-after', {
    description: 'failures in a row that disable it; 0: never',
  });
  maxRuns = Option.String('--max-runs-per-day', { description: 'most starts a day' });
  maxTokens = Option.String('--max-tokens-per-day', {
    description: 'most tokens a day; no start after them',
  });
  postToMain = Option.String('--post-to-main', {
    description: 'what the main session hears: summary, full or none',
  });
  postPrefix = Option.String('--post-prefix', { description: 'first word of that; default Cron' });
  postMaxChars = Option.String('--post-max-chars', { description: 'most characters of --post-to-main full' });
  precheck = Option.String('--precheck', {
    description: 'a line for sh -c before each run: exit 0 = there is something to do, 1 = nothing',
  });
  definition = Option.String('--definition', {
    description: 'fields of the job as JSON, in the shape of cron/jobs.json; other options go before it',
  });
  /** What comes through `claw call` may name no command to be run. */
  withoutCommands = Option.Boolean('--without-commands', false, { hidden: true });

  /** the words behind all options; declared by each command, since an id stands before them */
  abstract words: string[];
  /** words of the command, for hints */
  protected abstract readonly what: string;

  /** The fields that the options set; payload, budget and isolation as far as they are given. @throws ClawError usage */
  fields(facts: OptionFacts): Fields {
    const defined = this.defined();
    const payload = this.payload();
    const budget = given({
      runsPerDay: countOption('--max-runs-per-day', this.maxRuns, this.what),
      tokensPerDay: countOption('--max-tokens-per-day', this.maxTokens, this.what),
    });
    const isolation = given({
      postToMainMode: this.word('--post-to-main', this.postToMain, ['summary', 'full', 'none']),
      postToMainPrefix: this.postPrefix,
      postToMainMaxChars: countOption('--post-max-chars', this.postMaxChars, this.what),
    });
    const agentId = this.agent ?? (typeof defined.agentId === 'string' ? defined.agentId : undefined);
    return {
      ...defined,
      ...given({
        name: this.text('--name', this.name),
        description: this.text('--description', this.description),
        agentId: agentId === undefined ? undefined : configuredAgentId(agentId, facts.config),
        schedule: this.schedule(facts),
        sessionTarget: this.target(facts.config),
        wakeMode: this.word('--wake', this.wake, ['now', 'next-heartbeat']),
        deleteAfterRun: this.deleteAfterRun,
        catchUp: this.word('--catch-up', this.catchUp, ['skip', 'once', 'all']),
        grace: this.duration('--grace', this.grace),
        retries: this.numberFrom0('--retries', this.retries),
        disableAfter: this.numberFrom0('--disable-after', this.disableAfter),
        precheck: this.text('--precheck', this.precheck),
        payload: merged(defined.payload, payload),
        budget: merged(defined.budget, budget),
        isolation: merged(defined.isolation, isolation),
      }),
    };
  }

  /** What a payload of a kind does not have was given by mistake. */
  protected checkFit(kind: JobPayload['kind']): void {
    const misfit = Object.entries(this.payloadOptions()).find(
      ([field, value]) =>
        value !== undefined &&
        (kind === 'systemEvent' || (kind === 'exec' && ['model', 'thinking'].includes(field))),
    );
    if (misfit === undefined) return;
    const goes = kind === 'exec' ? '--message' : '--message or --exec';
    throw this.usage(`${OPTION_OF[misfit[0]]} goes with ${goes}: the payload of this job is ${kind}`);
  }

  private defined(): Fields {
    if (this.definition === undefined) return {};
    let value: unknown;
    try {
      value = JSON.parse(this.definition);
    } catch (error) {
      throw this.usage(`--definition is not JSON: ${(error as Error).message}`);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.usage('--definition is not a JSON object');
    return { ...value };
  }

  private schedule(facts: OptionFacts): object | undefined {
    const { cron, every, anchor, at, tz } = this;
    if ([cron, every, anchor, at].every(each => each === undefined)) {
      if (tz !== undefined)
        throw this.usage('--tz is the zone of a schedule: give --cron, --at or --every with it');
      return undefined;
    }
    const zone = zoneOption(tz, facts.zone);
    const schedule = scheduleOption(this, { now: facts.now, zone });
    if (schedule.kind === 'at' && schedule.at <= facts.now)
      throw this.usage(`--at ${at}: that time has passed`, 'a later time, or a duration such as --at 20m');
    return storedSchedule(schedule);
  }

  private target(config: ConfigInput): string | undefined {
    const named = [...new Set((this.session ?? []).map(each => each.trim()))];
    if (named.length === 0) return undefined;
    if (named.length > 1)
      throw this.usage(`--session ${named.join(' and --session ')}: a job has one session`);
    const [session = ''] = named;
    if (session === '') throw this.usage('--session is empty');
    if (/^(main|isolated)$/i.test(session)) return session.toLowerCase();
    return readSessionKey(
      session,
      config,
      this.agent === undefined ? undefined : configuredAgentId(this.agent, config),
    );
  }

  private payload(): Fields {
    const hasExec = this.exec !== undefined && this.exec !== false;
    const kinds = [
      ...(this.message === undefined ? [] : ['--message']),
      ...(this.systemEvent === undefined ? [] : ['--system-event']),
      ...(hasExec ? ['--exec'] : []),
    ];
    if (kinds.length > 1) throw this.usage(`give one payload, not ${kinds.join(' and ')}`);
    if (!hasExec && this.words.length > 0)
      throw this.usage(
        `${JSON.stringify(this.words[0])} belongs to no option; a text of several words stands in quotes`,
      );
    return {
      ...given({
        ...(this.message === undefined
          ? {}
          : { kind: 'agentTurn', message: this.text('--message', this.message) }),
        ...(this.systemEvent === undefined
          ? {}
          : { kind: 'systemEvent', text: this.text('--system-event', this.systemEvent) }),
        ...(hasExec ? { kind: 'exec', command: this.command() } : {}),
      }),
      ...given(this.payloadOptions()),
    };
  }

  private payloadOptions(): Fields {
    const channel = this.channel === undefined ? undefined : normaliseChannel(this.channel);
    if (channel !== undefined && !isChannelName(channel))
      throw this.usage(`--channel ${JSON.stringify(this.channel)}: that cannot be a channel`);
    return {
      model: this.text('--model', this.model),
      thinking: this.thinkingLevel(),
      timeoutSeconds: this.seconds(),
      deliver: this.deliver,
      channel,
      to: this.text('--to', this.to),
      accountId: this.text('--account', this.account),
      bestEffortDeliver: this.bestEffort,
    };
  }

  private command(): string[] {
    const line = typeof this.exec === 'string' ? [this.exec] : [];
    const words = [...line, ...this.words];
    const [first = ''] = words;
    if (first.trim() === '')
      throw this.usage('--exec needs a command behind it', 'claw cron add --every 1h --exec -- df -h');
    return words.length === 1 ? ['sh', '-c', first] : words;
  }

  private thinkingLevel(): string | undefined {
    if (this.thinking === undefined) return undefined;
    const read = readSetting('thinkingLevel', this.thinking.trim());
    if (read.ok) return String(read.value);
    throw this.usage(`--thinking ${this.thinking}: expected ${read.expected}`);
  }

  private seconds(): number | undefined {
    if (this.timeout === undefined) return undefined;
    const text = this.timeout.trim();
    const ms = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : parseDuration(text);
    if (ms !== null && ms > 0) return ms / 1000;
    throw this.usage(`--timeout ${this.timeout}: expected seconds above 0, or a duration such as 5m`);
  }

  private duration(option: string, value: string | undefined): string | undefined {
    if (value === undefined || parseDuration(value) !== null) return value?.trim();
    throw this.usage(`${option} ${value}: expected a duration such as 30m`);
  }

  private numberFrom0(option: string, value: string | undefined): number | undefined {
    return countOption(option, value, this.what, 0);
  }

  private word(option: string, value: string | undefined, words: string[]): string | undefined {
    const word = value?.trim().toLowerCase();
    if (word === undefined || words.includes(word)) return word;
    throw this.usage(`${option} ${value}: expected one of ${words.join(', ')}`);
  }

  private text(option: string, value: string | undefined): string | undefined {
    if (value === undefined) return undefined;
    if (value.trim() === '') throw this.usage(`${option} is empty`);
    return value.trim();
  }

  protected usage(message: string, hint = `claw ${this.what} --help`): ClawError {
    return new ClawError('usage', 'usage', message, hint);
  }
}

/** Fields of a delivery that say where to. */
export function placesNamed(payload: Fields | undefined): string[] {
  return DELIVERY.filter(name => ['channel', 'to', 'accountId'].includes(name)).filter(
    name => payload?.[name] !== undefined && payload[name] !== null && payload[name] !== 'last',
  );
}

function given(fields: Fields): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

function merged(defined: unknown, own: Fields): unknown {
  if (Object.keys(own).length === 0) return undefined;
  return typeof defined === 'object' && defined !== null ? { ...defined, ...own } : own;
}

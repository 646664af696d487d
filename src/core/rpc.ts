/**
 * `claw call METHOD --params JSON`: each method is a command, each parameter one of its options. A call is translated to
 * the words of its command and runs as that command, so both have one validation and one result.
 */
import { ClawError } from './errors.ts';

interface Method {
  command: readonly string[];
  /** parameters that are arguments, in order; several spellings of one are divided by `|` */
  positional?: readonly string[];
  /** parameter → option with a value */
  options?: Readonly<Record<string, string>>;
  /** parameter → option that is there when it is true */
  flags?: Readonly<Record<string, string>>;
  /** parameter holding changes: a value sets, null takes back */
  changes?: string;
  /** parameter with fields of a job, which are passed on as they are; `*`: all parameters that are nothing else */
  definition?: string;
}

const KEY = 'sessionKey|key|sessionId';
const JOB = 'id|jobId';

const METHODS: Readonly<Record<string, Method>> = {
  'sessions.list': {
    command: ['sessions', 'list'],
    options: {
      agentId: '--agent',
      channel: '--channel',
      kind: '--kind',
      scope: '--kind',
      limit: '--limit',
      lastN: '--limit',
      activeMinutes: '--active',
      search: '--search',
    },
    flags: { archived: '--archived', allAgents: '--all-agents', activeOnly: '--active=60' },
  },
  'sessions.get': {
    command: ['sessions', 'show'],
    positional: [KEY],
    options: { at: '--at' },
    flags: { verbose: '--verbose' },
  },
  'sessions.history': {
    command: ['sessions', 'history'],
    positional: [KEY],
    options: { last: '--last', limit: '--last' },
    flags: { tools: '--tools' },
  },
  'sessions.search': {
    command: ['sessions', 'search'],
    positional: ['query'],
    options: { agentId: '--agent', channel: '--channel', limit: '--limit' },
  },
  'sessions.send': {
    command: ['sessions', 'send'],
    positional: [KEY, 'message|text'],
    options: { replyPolicy: '--reply', reply: '--reply', waitSeconds: '--wait', timeoutSeconds: '--wait' },
  },
  'sessions.spawn': {
    command: ['sessions', 'spawn'],
    positional: ['task|message'],
    options: {
      agentId: '--agent',
      model: '--model',
      thinkingLevel: '--thinking',
      label: '--label',
      replyPolicy: '--reply',
      waitSeconds: '--wait',
    },
  },
  'sessions.patch': { command: ['sessions', 'patch'], positional: [KEY], changes: 'updates|settings' },
  'sessions.reset': { command: ['sessions', 'reset'], positional: [KEY], options: { model: '--model' } },
  'sessions.compact': {
    command: ['sessions', 'compact'],
    positional: [KEY],
    options: { instructions: '--instructions', waitSeconds: '--wait' },
  },
  'sessions.resume': { command: ['sessions', 'resume'], positional: ['sessionId'] },
  'sessions.delete': {
    command: ['sessions', 'delete'],
    positional: [KEY],
    flags: { archived: '--archived' },
  },
  'cron.list': {
    command: ['cron', 'list'],
    options: { agentId: '--agent', at: '--at' },
    flags: { includeDisabled: '--all' },
  },
  'cron.status': { command: ['cron', 'status'], options: { at: '--at' } },
  'cron.get': { command: ['cron', 'show'], positional: [JOB], options: { at: '--at' } },
  'cron.add': { command: ['cron', 'add'], flags: { upsert: '--upsert' }, definition: '*' },
  'cron.update': { command: ['cron', 'edit'], positional: [JOB], definition: 'patch' },
  'cron.enable': { command: ['cron', 'enable'], positional: [JOB] },
  'cron.disable': { command: ['cron', 'disable'], positional: [JOB] },
  'cron.remove': { command: ['cron', 'remove'], positional: [JOB] },
  'cron.runs': { command: ['cron', 'runs'], positional: [JOB], options: { limit: '--limit' } },
  'cron.run': {
    command: ['cron', 'run'],
    positional: [JOB],
    flags: { force: '--force' },
  },
  'cron.next': {
    command: ['cron', 'next'],
    options: {
      cron: '--cron',
      expr: '--cron',
      every: '--every',
      anchor: '--anchor',
      at: '--at',
      tz: '--tz',
      from: '--from',
      count: '--count',
    },
  },
  'system.event': {
    command: ['system', 'event'],
    options: { text: '--text', mode: '--mode', agentId: '--agent', sessionKey: '--session' },
  },
  // The name the same has in an older system.
  wake: {
    command: ['system', 'event'],
    options: { text: '--text', mode: '--mode', agentId: '--agent', sessionKey: '--session' },
  },
  'heartbeat.status': { command: ['heartbeat', 'status'], options: { agentId: '--agent' } },
  'heartbeat.run': { command: ['heartbeat', 'run'], options: { agentId: '--agent' } },
};

export const METHOD_NAMES = Object.keys(METHODS);

/**
 * The words of the command behind a call.
 *
 * @param params the parameters, an object; a parameter that is null counts as absent (but in changes)
 * @throws ClawError usage `method-unknown`, `params-invalid`
 */
export function argvOfCall(method: string, params: unknown): string[] {
  const found = Object.hasOwn(METHODS, method) ? METHODS[method] : undefined;
  if (!found)
    throw usage(
      'method-unknown',
      `there is no method ${JSON.stringify(method)}; there is ${METHOD_NAMES.join(', ')}`,
    );
  if (typeof params !== 'object' || params === null || Array.isArray(params))
    throw usage('params-invalid', 'the parameters must be one JSON object');
  const given = new Map(Object.entries(params).filter(([, value]) => value !== undefined && value !== null));
  const options: string[] = [];
  if (method === 'cron.run') readMode(given);
  for (const [name, option] of Object.entries(found.options ?? {})) {
    if (given.has(name)) options.push(`${option}=${scalar(method, name, given.get(name))}`);
    given.delete(name);
  }
  for (const [name, option] of Object.entries(found.flags ?? {})) {
    if (given.has(name) && typeof given.get(name) !== 'boolean')
      throw usage('params-invalid', `${method}: ${name} must be true or false`);
    if (given.get(name) === true) options.push(option);
    given.delete(name);
  }
  if (found.changes !== undefined) options.push(...changesOf(method, found.changes, given));
  const positional = (found.positional ?? []).map(names => {
    const name = names.split('|').find(each => given.has(each));
    if (name === undefined) throw usage('params-invalid', `${method} needs ${names.split('|')[0]}`);
    const value = scalar(method, name, given.get(name));
    given.delete(name);
    return value;
  });
  if (found.definition !== undefined) options.push(...definitionOf(method, found.definition, given));
  const [left] = given.keys();
  if (left !== undefined) {
    const known = [
      found.positional ?? [],
      Object.keys(found.options ?? {}),
      Object.keys(found.flags ?? {}),
      found.definition === undefined ? [] : [found.definition],
    ].flat();
    throw usage(
      'params-invalid',
      `${method} has no parameter ${JSON.stringify(left)}; it has ${known.join(', ').replaceAll('|', ' or ')}`,
    );
  }
  // Behind the dashes everything is an argument, whatever it looks like.
  return [...found.command, '--json', ...options, '--', ...positional];
}

function changesOf(method: string, names: string, given: Map<string, unknown>): string[] {
  const name = names.split('|').find(each => given.has(each));
  const updates = name === undefined ? undefined : given.get(name);
  if (name !== undefined) given.delete(name);
  if (typeof updates !== 'object' || updates === null || Array.isArray(updates))
    throw usage('params-invalid', `${method} needs ${names.split('|')[0]}, an object of settings`);
  for (const setting of Object.keys(updates))
    if (setting === '' || setting.includes('='))
      throw usage('params-invalid', `${method}: there is no setting ${JSON.stringify(setting)}`);
  return Object.entries(updates).map(([setting, value]) =>
    value === null ? `--unset=${setting}` : `--set=${setting}=${scalar(method, setting, value)}`,
  );
}

/** What older callers say by a word, `due` or `force`, is a switch here. */
function readMode(given: Map<string, unknown>): void {
  const mode = given.get('mode');
  if (mode !== undefined && mode !== 'due' && mode !== 'force')
    throw usage('params-invalid', 'cron.run: mode must be due or force');
  given.delete('mode');
  if (mode === 'force') given.set('force', true);
}

/** A job as a parameter may name no command to be run: those come from a person at a shell alone. */
function definitionOf(method: string, name: string, given: Map<string, unknown>): string[] {
  let fields: unknown;
  if (name === '*') {
    // Some callers wrap it.
    fields = given.size === 1 && given.has('job') ? given.get('job') : Object.fromEntries(given);
    given.clear();
  } else {
    fields = given.get(name);
    given.delete(name);
  }
  if (
    typeof fields !== 'object' ||
    fields === null ||
    Array.isArray(fields) ||
    Object.keys(fields).length === 0
  )
    throw usage(
      'params-invalid',
      `${method} needs ${name === '*' ? 'a job' : name}, an object of its fields`,
    );
  return ['--without-commands', `--definition=${JSON.stringify(fields)}`];
}

function scalar(method: string, name: string, value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  // What is on or off in words is often a boolean in JSON.
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  throw usage('params-invalid', `${method}: ${name} must be text or a number`);
}

function usage(code: string, message: string): ClawError {
  return new ClawError('usage', code, message, 'claw call --help');
}

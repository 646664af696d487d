/**
 * A job as `cron/jobs.json` holds it: what its author wrote, nothing of its past. The past is in its run records
 * (`run-record.ts`), so a file edited by hand is used as it stands. Whoever reads, writes or changes a definition comes
 * here, so that one written by a command, by hand, by an older system or through `claw call` means the same.
 */
import { canonicaliseKey, type KeyContext, splitKey } from '../routing/session-key.ts';
import { normaliseAgentId, normaliseChannel, slug } from '../routing/slug.ts';
import { parseDuration } from './duration.ts';
import type { SeenRecord } from './run-record.ts';
import { readSchedule, type ScheduleRead, type StoredSchedule, storedSchedule } from './schedule.ts';

export type CatchUp = 'skip' | 'once' | 'all';

/** Who gets what a run says. `channel` may be `last`; without `to` it is whoever the main session heard last. */
export interface JobDelivery {
  deliver?: boolean;
  channel?: string;
  to?: string;
  /** account of the channel that sends */
  accountId?: string;
  /** a delivery that cannot be made does not make the run a failure */
  bestEffortDeliver?: boolean;
}

export type JobPayload =
  | { kind: 'systemEvent'; text: string }
  | ({
      kind: 'agentTurn';
      message: string;
      model?: string;
      thinking?: string;
      timeoutSeconds?: number;
    } & JobDelivery)
  | ({ kind: 'exec'; command: string[]; timeoutSeconds?: number } & JobDelivery);

/** Times are epoch ms; durations are texts with a unit, as in the config. */
export interface Job {
  /** a file name on every system: `[A-Za-z0-9][A-Za-z0-9._-]*` */
  id: string;
  name: string;
  description?: string;
  agentId?: string;
  enabled: boolean;
  createdAtMs?: number;
  updatedAtMs?: number;
  schedule: StoredSchedule;
  /** `main`, `isolated`, or the key of a session the turn runs in */
  sessionTarget: string;
  wakeMode: 'now' | 'next-heartbeat';
  payload: JobPayload;
  deleteAfterRun?: boolean;
  catchUp?: CatchUp;
  /** how late an instant may still be run */
  grace?: string;
  /** further tries of a failed run */
  retries?: number;
  /** failures in a row that disable it; 0: never */
  disableAfter?: number;
  /** a command line for `sh -c`, asked before each run: exit 0 = there is something to do, 1 = nothing */
  precheck?: string;
  /** most of a day, in the zone of the user */
  budget?: { runsPerDay?: number; tokensPerDay?: number };
  /** how many agents stand between a person and this job; absent: a person made it */
  hops?: number;
  /** what the main session hears of an isolated run */
  isolation?: {
    postToMainMode?: 'summary' | 'full' | 'none';
    postToMainPrefix?: string;
    postToMainMaxChars?: number;
  };
}

type Fields = Readonly<Record<string, unknown>>;

/** What stands in where a definition says nothing, and how its words are read. */
export interface JobSetting extends KeyContext {
  /** default agent */
  agentId: string;
  /** epoch ms: anchor of a grid that names none; when the definition was written, as far as that is known */
  definedAt: number;
  /** zone of an expression that names none; its name is only asked for then */
  zone: { readonly name: string };
  /** reads a schedule; given by who remembers schedules that were read before */
  readSchedule?: ((raw: unknown, missing: { anchorMs: number; tz: string }) => ScheduleRead) | undefined;
}

/** A key that means nothing here: the path to it, and what is known at its place. It stays in the file. */
export interface UnknownKey {
  path: string;
  known: readonly string[];
}

/** Parts of a schedule that its author left out and the reader filled in. */
export type Assumed = readonly ('anchor' | 'zone')[];

export type JobRead =
  | {
      ok: true;
      job: Job;
      unknown: UnknownKey[];
      /** what the schedule left out; `settledSchedule` fills in what it was first seen with */
      assumed: Assumed;
    }
  | { ok: false; id: string | null; name: string | null; problem: string };

const LONGEST_ID = 100;
const LONGEST_NAME = 60;

const JOB_KEYS = [
  ...['id', 'name', 'description', 'agentId', 'enabled', 'createdAtMs', 'updatedAtMs', 'schedule'],
  ...[
    'sessionTarget',
    'wakeMode',
    'payload',
    'deleteAfterRun',
    'catchUp',
    'grace',
    'retries',
    'disableAfter',
  ],
  ...['precheck', 'budget', 'isolation', 'hops'],
] as const;
const DELIVERY_KEYS = ['deliver', 'channel', 'to', 'accountId', 'bestEffortDeliver'] as const;
const PAYLOAD_KEYS = {
  systemEvent: ['kind', 'text'],
  agentTurn: ['kind', 'message', 'model', 'thinking', 'timeoutSeconds', ...DELIVERY_KEYS],
  exec: ['kind', 'command', 'timeoutSeconds', ...DELIVERY_KEYS],
} as const;
const SCHEDULE_KEYS = ['kind', 'at', 'atMs', 'every', 'everyMs', 'anchor', 'anchorMs', 'cron', 'expr', 'tz'];
const BUDGET_KEYS = ['runsPerDay', 'tokensPerDay'];
const ISOLATION_KEYS = ['postToMainMode', 'postToMainPrefix', 'postToMainMaxChars'];
/** Other spellings; whoever rewrites the job writes the usual one instead. */
const JOB_ALIASES = [
  ...['jobId', 'createdAt', 'updatedAt', 'at', 'every', 'cron', 'tz', 'message', 'text', 'command'],
  ...[...DELIVERY_KEYS, 'provider', 'account', 'delivery'],
];
const PAYLOAD_ALIASES = ['text', 'message', 'provider', 'account'];
/** Of other systems' jobs: what they remember of the past is not believed, and left where it is. */
const FOREIGN = ['state'];

const KNOWN_KEYS: ReadonlySet<string> = new Set([...JOB_KEYS, ...JOB_ALIASES, ...FOREIGN]);

/** Why a text cannot be the id of a job, null when it can. Ids name files, and end up in session keys. */
export function idProblem(id: string): string | null {
  if (id.length > LONGEST_ID) return `an id has at most ${LONGEST_ID} characters`;
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?$/.test(id)) return null;
  return 'an id is made of letters, digits, dots, dashes and underscores, begins with a letter or digit and ends in no dot';
}

/**
 * An id that can be read, from the name of a job: `morning-news`; with a few random characters where that is taken.
 *
 * @param random more than 4 hexadecimal digits
 */
export function idFromName(name: string, random: string, isTaken: (id: string) => boolean): string {
  const plain = name
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '');
  const base = plain || 'job';
  for (const tail of ['', `-${random.slice(0, 4)}`, `-${random}`])
    if (!isTaken(base + tail)) return base + tail;
  throw new RangeError(`no id for ${base}`);
}

const WAKE_MODES = ['next-heartbeat', 'now'] as const;
const CATCH_UPS = ['skip', 'once', 'all'] as const;

/** A definition that is refused, with the words why. */
class Refusal extends Error {}

/**
 * Reads one definition. Id, schedule and payload are enough; everything else has a default.
 *
 * Read besides the form that `Job` describes: `jobId`; times as ISO 8601; schedules as `readSchedule` takes them, as the
 * text of an expression, or as `at`, `every`, `cron` beside the id; `message`, `text`, `command` and the fields of the
 * delivery beside the id; `provider` for `channel`; `delivery: {mode, channel, to, bestEffort}`; a command as one text,
 * which is then for `sh -c`.
 */
export function readJob(raw: unknown, setting: JobSetting): JobRead {
  if (!isFields(raw)) return { ok: false, id: null, name: null, problem: 'it is not an object' };
  const id = typeof raw.id === 'string' ? raw.id : typeof raw.jobId === 'string' ? raw.jobId : null;
  const name = typeof raw.name === 'string' ? raw.name.trim() : null;
  try {
    return readFields(raw, id, setting);
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, id, name, problem: error.message };
    // Naming a value that is nested without end overflows the stack.
    if (error instanceof RangeError) return { ok: false, id, name, problem: 'it is nested too deeply' };
    throw error;
  }
}

function readFields(raw: Fields, id: string | null, setting: JobSetting): JobRead {
  if (id === null) throw new Refusal('it has no id');
  const wrong = idProblem(id);
  if (wrong !== null) throw new Refusal(`its id ${JSON.stringify(id)}: ${wrong}`);
  const createdAtMs = timeOf(raw, 'createdAtMs', 'createdAt');
  const updatedAtMs = timeOf(raw, 'updatedAtMs', 'updatedAt');
  const { schedule, assumed } = scheduleOf(raw, createdAtMs, setting);
  const payload = payloadOf(raw);
  const named = optionalText(raw, 'name');
  const saidAgent = optionalText(raw, 'agentId');
  const agentId = saidAgent === undefined ? undefined : normaliseAgentId(saidAgent);
  const budget = raw.budget === undefined || raw.budget === null ? undefined : budgetOf(raw.budget);
  const isolation =
    raw.isolation === undefined || raw.isolation === null ? undefined : isolationOf(raw.isolation);
  const grace = optionalText(raw, 'grace');
  if (grace !== undefined && parseDuration(grace) === null)
    throw new Refusal(`grace ${JSON.stringify(grace)}: expected a duration such as "30m"`);
  // Built field by field: a listing reads a thousand of them, and spreading leaves ten objects behind for each.
  const job = { id, name: named ?? nameFrom(payload) } as Job;
  put(job, 'description', optionalText(raw, 'description'));
  put(job, 'agentId', agentId);
  job.enabled = optionalFlag(raw, 'enabled') ?? true;
  put(job, 'createdAtMs', createdAtMs);
  put(job, 'updatedAtMs', updatedAtMs);
  job.schedule = schedule;
  job.sessionTarget = targetOf(raw, payload, setting, agentId);
  job.wakeMode = oneOf(raw, 'wakeMode', WAKE_MODES) ?? 'next-heartbeat';
  job.payload = payload;
  put(job, 'deleteAfterRun', optionalFlag(raw, 'deleteAfterRun'));
  put(job, 'catchUp', oneOf(raw, 'catchUp', CATCH_UPS));
  put(job, 'grace', grace);
  put(job, 'retries', wholeNumber(raw, 'retries', 0));
  put(job, 'disableAfter', wholeNumber(raw, 'disableAfter', 0));
  put(job, 'precheck', optionalText(raw, 'precheck'));
  put(job, 'budget', budget);
  put(job, 'isolation', isolation);
  put(job, 'hops', wholeNumber(raw, 'hops', 0));
  return { ok: true, job, unknown: unknownKeys(raw, payload.kind), assumed };
}

/**
 * The schedule with what it was first seen with: a file that names no anchor or zone keeps the ones of its first `seen`
 * record, whenever the file is written again and wherever the machine has gone since.
 */
export function settledSchedule(
  schedule: StoredSchedule,
  assumed: Assumed,
  seen: Pick<SeenRecord, 'schedule'> | null,
): StoredSchedule {
  const before = seen?.schedule;
  if (schedule.kind === 'every' && before?.kind === 'every' && assumed.includes('anchor'))
    return before.everyMs === schedule.everyMs ? { ...schedule, anchorMs: before.anchorMs } : schedule;
  if (schedule.kind === 'cron' && before?.kind === 'cron' && assumed.includes('zone'))
    return before.expr === schedule.expr ? { ...schedule, tz: before.tz } : schedule;
  return schedule;
}

/**
 * A job with changes: fields of the job that replace what stood there; null takes one back. A payload is merged with the
 * old one while it stays of its kind, and so are budget and isolation; of another kind it must say its text, message or command, and the target follows
 * unless the changes name one.
 *
 * @param raw the definition as the file holds it, so that keys unknown here stay
 */
export function patchJob(raw: Fields, job: Job, patch: Fields, setting: JobSetting): JobRead {
  const { payload: change, ...rest } = patch;
  const merged: Record<string, unknown> = { ...writtenJob(job, raw), ...rest };
  if (isFields(change)) {
    const { kind } = job.payload;
    const wanted = kindOf(change) ?? kind;
    if (wanted === kind) merged.payload = { ...(merged.payload as Fields), ...change };
    else {
      const old: Fields = { ...job.payload };
      const kept = wanted === 'systemEvent' || kind === 'systemEvent' ? {} : pick(old, DELIVERY_KEYS);
      merged.payload = { ...kept, ...change, kind: wanted };
      if (!('sessionTarget' in rest)) delete merged.sessionTarget;
    }
  } else if (change !== undefined) merged.payload = change;
  for (const name of ['budget', 'isolation'] as const)
    if (isFields(rest[name])) {
      const fields = withoutNull({ ...job[name], ...rest[name] });
      merged[name] = Object.keys(fields).length > 0 ? fields : null;
    }
  for (const [key, value] of Object.entries(merged)) if (value === null) delete merged[key];
  return readJob(merged, setting);
}

/**
 * What is written for a job: its fields in their usual spelling, and behind them the keys that its author wrote and claw
 * does not know.
 */
export function writtenJob(job: Job, raw: unknown): Fields {
  const old = isFields(raw) ? raw : {};
  const kept = Object.entries(old).filter(([key]) => !KNOWN_KEYS.has(key) || FOREIGN.includes(key));
  const payload = {
    ...job.payload,
    ...unknownIn(old.payload, [...PAYLOAD_KEYS[job.payload.kind], ...allPayloadKeys()]),
  };
  const schedule = { ...job.schedule, ...unknownIn(old.schedule, SCHEDULE_KEYS) };
  return { ...job, schedule, payload, ...Object.fromEntries(kept) };
}

/**
 * A short name of a definition: all of it but schedule, enabled and the times at which it was written. Two definitions
 * with one name are the same for every purpose here (FNV-1a in two lanes; nobody gains by making two of them collide).
 */
export function definitionOf(job: Job): string {
  const { schedule: _s, enabled: _e, createdAtMs: _c, updatedAtMs: _u, ...rest } = job;
  const text = JSON.stringify(sorted(rest));
  let a = 0x811c9dc5;
  let b = 0x9dc5811c;
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ ((unit << 7) | (at & 127)), 0x01000193);
  }
  const hex = (half: number) => (half >>> 0).toString(16).padStart(8, '0');
  return hex(a) + hex(b);
}

/** The agent a job is of. */
export function agentOfJob(job: Pick<Job, 'agentId' | 'sessionTarget'>, defaultAgent: string): string {
  return job.agentId ?? splitKey(job.sessionTarget)?.agentId ?? defaultAgent;
}

/**
 * Whether what a run says is to be sent to somebody: asked for, or told to whom (and not refused).
 * @returns what is said of the place; fields that are absent come from the last route of the main session
 */
export function deliveryOf(payload: JobPayload): (JobDelivery & { deliver: true }) | null {
  if (payload.kind === 'systemEvent') return null;
  const { deliver, channel, to, accountId, bestEffortDeliver } = payload;
  if (deliver === false || (deliver === undefined && to === undefined)) return null;
  return {
    deliver: true,
    ...given('channel', channel),
    ...given('to', to),
    ...given('accountId', accountId),
    ...given('bestEffortDeliver', bestEffortDeliver),
  };
}

// The parts of a definition

function scheduleOf(
  raw: Fields,
  createdAtMs: number | undefined,
  setting: JobSetting,
): { schedule: StoredSchedule; assumed: Assumed } {
  const isBeside = raw.schedule === undefined && (raw.at ?? raw.every ?? raw.cron) !== undefined;
  const written = isBeside
    ? pick(raw, ['at', 'every', 'cron', 'tz'])
    : typeof raw.schedule === 'string'
      ? { kind: 'cron', expr: raw.schedule }
      : raw.schedule;
  const fields: Fields = isFields(written) ? written : {};
  const named = fields.anchor !== undefined && fields.anchorMs === undefined;
  const read = (setting.readSchedule ?? readSchedule)(
    named ? { ...fields, anchorMs: fields.anchor } : written,
    {
      anchorMs: createdAtMs ?? setting.definedAt,
      get tz() {
        return setting.zone.name;
      },
    },
  );
  if (!read.ok) {
    const isNamed = read.problem.startsWith('.');
    const beside = isBeside ? read.problem.slice(1) : `schedule${read.problem}`;
    throw new Refusal(isNamed ? beside : `schedule: ${read.problem}`);
  }
  const schedule = storedSchedule(read.schedule);
  const hasZone = typeof fields.tz === 'string' && fields.tz.trim() !== '';
  const hasAnchor = fields.anchorMs !== undefined || named || createdAtMs !== undefined;
  const assumed =
    schedule.kind === 'every' && !hasAnchor ? ANCHOR : schedule.kind === 'cron' && !hasZone ? ZONE : NONE;
  return { schedule, assumed };
}

const ANCHOR: Assumed = ['anchor'];
const ZONE: Assumed = ['zone'];
const NONE: Assumed = [];

const KINDS = ['systemEvent', 'agentTurn', 'exec'] as const;

function kindOf(payload: Fields): JobPayload['kind'] | undefined {
  const { kind } = payload;
  if (kind === undefined || kind === null) {
    if (payload.command !== undefined) return 'exec';
    if (payload.message !== undefined) return 'agentTurn';
    return payload.text === undefined ? undefined : 'systemEvent';
  }
  const found =
    typeof kind === 'string' && KINDS.find(each => each.toLowerCase() === kind.trim().toLowerCase());
  if (!found) throw new Refusal(`payload.kind ${JSON.stringify(kind)}: expected one of ${KINDS.join(', ')}`);
  return found;
}

function payloadOf(raw: Fields): JobPayload {
  if (raw.payload !== undefined && !isFields(raw.payload)) throw new Refusal('its payload is not an object');
  const own: Fields = raw.payload ?? pick(raw, ['message', 'text', 'command']);
  const kind = kindOf(own);
  if (kind === undefined) throw new Refusal('it has no payload: give it a message, a text or a command');
  if (kind === 'systemEvent') {
    const text = blankless(own.text ?? own.message);
    if (text === null) throw new Refusal('its event has no text');
    return { kind, text };
  }
  let payload: Exclude<JobPayload, { kind: 'systemEvent' }>;
  if (kind === 'exec') payload = { kind, command: commandOf(own.command) };
  else {
    const message = blankless(own.message ?? own.text);
    if (message === null) throw new Refusal('its message is missing');
    payload = { kind, message };
    put(payload, 'model', optionalText(own, 'model', 'payload.'));
    put(payload, 'thinking', optionalText(own, 'thinking', 'payload.'));
  }
  put(payload, 'timeoutSeconds', positiveNumber(own, 'timeoutSeconds'));
  addDelivery(payload, raw, own);
  return payload;
}

function commandOf(command: unknown): string[] {
  if (typeof command === 'string' && command.trim() !== '') return ['sh', '-c', command];
  const isArgv =
    Array.isArray(command) && command.length > 0 && command.every(word => typeof word === 'string');
  if (!isArgv || command[0] === '') throw new Refusal('its command is neither a text nor a list of words');
  if (command.some(word => word.includes('\0'))) throw new Refusal('its command holds a NUL');
  return [...command];
}

/** What is said in the payload goes before what is said beside it. */
function addDelivery(target: JobDelivery, raw: Fields, payload: Fields): void {
  const newer = isFields(raw.delivery) ? raw.delivery : NOTHING;
  const flag = (name: string) => optionalFlag(payload, name) ?? optionalFlag(raw, name);
  const text = (name: string) => optionalText(payload, name) ?? optionalText(raw, name);
  const announced = typeof newer.mode === 'string' ? newer.mode !== 'none' : undefined;
  const channel = text('channel') ?? text('provider') ?? optionalText(newer, 'channel');
  const account = text('accountId') ?? text('account');
  const best = typeof newer.bestEffort === 'boolean' ? newer.bestEffort : undefined;
  put(target, 'deliver', flag('deliver') ?? announced);
  put(target, 'channel', channel === undefined ? undefined : normaliseChannel(channel));
  put(target, 'to', textOrNumber(payload.to) ?? textOrNumber(raw.to) ?? textOrNumber(newer.to));
  put(target, 'accountId', account === undefined ? undefined : slug(account) || undefined);
  put(target, 'bestEffortDeliver', flag('bestEffortDeliver') ?? best);
}

const NOTHING: Fields = {};

function targetOf(
  raw: Fields,
  payload: JobPayload,
  setting: KeyContext,
  agentId: string | undefined,
): string {
  const usual = payload.kind === 'systemEvent' ? 'main' : 'isolated';
  const written = optionalText(raw, 'sessionTarget');
  const word = written?.toLowerCase();
  if (written === undefined || word === usual) return usual;
  const misfit = (what: string) =>
    new Refusal(
      `sessionTarget ${JSON.stringify(written)} does not go with payload ${payload.kind}, which runs in ${what}`,
    );
  if (payload.kind === 'systemEvent') throw misfit('main');
  if (payload.kind === 'exec') throw misfit('isolated');
  if (word === 'main') throw misfit('isolated, or in a session named by its key');
  const key = canonicaliseKey(written, { ...setting, agentId: agentId ?? setting.agentId });
  const owner = key === null ? undefined : splitKey(key)?.agentId;
  if (key === null || owner === undefined)
    throw new Refusal(
      `sessionTarget ${JSON.stringify(written)} is neither main nor isolated nor a session key`,
    );
  if (agentId !== undefined && owner !== agentId)
    throw new Refusal(`its session ${key} is of another agent than its agentId ${agentId}`);
  return key;
}

function budgetOf(raw: unknown): NonNullable<Job['budget']> {
  if (!isFields(raw)) throw new Refusal('its budget is not an object');
  return {
    ...given('runsPerDay', wholeNumber(raw, 'runsPerDay', 1, 'budget.')),
    ...given('tokensPerDay', wholeNumber(raw, 'tokensPerDay', 1, 'budget.')),
  };
}

function isolationOf(raw: unknown): NonNullable<Job['isolation']> {
  if (!isFields(raw)) throw new Refusal('its isolation is not an object');
  const prefix = raw.postToMainPrefix;
  if (prefix !== undefined && typeof prefix !== 'string') throw new Refusal('postToMainPrefix is not a text');
  return {
    ...given('postToMainMode', oneOf(raw, 'postToMainMode', ['summary', 'full', 'none'] as const)),
    ...given('postToMainPrefix', prefix),
    ...given('postToMainMaxChars', wholeNumber(raw, 'postToMainMaxChars', 1)),
  };
}

function nameFrom(payload: JobPayload): string {
  const said =
    payload.kind === 'systemEvent'
      ? payload.text
      : payload.kind === 'agentTurn'
        ? payload.message
        : (payload.command[0] === 'sh' && payload.command[1] === '-c' && payload.command[2]) ||
          payload.command.join(' ');
  const line = said.replace(/\s+/g, ' ').trim();
  return line.length <= LONGEST_NAME ? line : `${[...line].slice(0, LONGEST_NAME - 1).join('')}…`;
}

function allPayloadKeys(): string[] {
  return [...Object.values(PAYLOAD_KEYS).flat(), ...PAYLOAD_ALIASES];
}

function unknownKeys(raw: Fields, kind: JobPayload['kind']): UnknownKey[] {
  const found: UnknownKey[] = [];
  for (const key in raw) if (!KNOWN_KEYS.has(key)) found.push({ path: key, known: JOB_KEYS });
  addUnknown(found, raw.payload, 'payload.', PAYLOAD_KEYS[kind], PAYLOAD_ALIASES);
  addUnknown(found, raw.schedule, 'schedule.', SCHEDULE_KEYS);
  if (raw.budget !== undefined) addUnknown(found, raw.budget, 'budget.', BUDGET_KEYS);
  if (raw.isolation !== undefined) addUnknown(found, raw.isolation, 'isolation.', ISOLATION_KEYS);
  return found;
}

function addUnknown(
  found: UnknownKey[],
  value: unknown,
  before: string,
  known: readonly string[],
  aliases: readonly string[] = [],
): void {
  if (!isFields(value)) return;
  for (const key in value)
    if (!known.includes(key) && !aliases.includes(key)) found.push({ path: before + key, known });
}

// Values

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function put<Target extends object, Name extends keyof Target>(
  target: Target,
  name: Name,
  value: Target[Name] | undefined,
): void {
  if (value !== undefined) target[name] = value;
}

function given<Name extends string, Value>(name: Name, value: Value | undefined): { [key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: Value });
}

function pick(fields: Fields, names: readonly string[]): Fields {
  return Object.fromEntries(
    names.filter(name => fields[name] !== undefined).map(name => [name, fields[name]]),
  );
}

function unknownIn(value: unknown, known: readonly string[]): Fields {
  if (!isFields(value)) return {};
  return Object.fromEntries(Object.entries(value).filter(([key]) => !known.includes(key)));
}

function withoutNull(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  );
}

/** The same value with the keys of every object in order, so that it has one text. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isFields(value)) return value;
  const ordered: Record<string, unknown> = {};
  for (const key of Object.keys(value).sort()) ordered[key] = sorted(value[key]);
  return ordered;
}

function blankless(value: unknown): string | null {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : null;
}

/** @throws Refusal for what is there and is no text, or a blank one */
function optionalText(fields: Fields, name: string, before = ''): string | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  const text = blankless(value);
  if (text === null)
    throw new Refusal(
      `${before}${name} ${JSON.stringify(value)?.slice(0, 80)}: expected a text${typeof value === 'string' ? ' that is not blank' : ''}`,
    );
  return text;
}

function textOrNumber(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  return blankless(value) ?? undefined;
}

function optionalFlag(fields: Fields, name: string): boolean | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean')
    throw new Refusal(`${name} ${JSON.stringify(value)}: expected true or false`);
  return value;
}

function oneOf<Word extends string>(fields: Fields, name: string, words: readonly Word[]): Word | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  const found = words.find(word => word === value);
  if (found === undefined)
    throw new Refusal(`${name} ${JSON.stringify(value)}: expected one of ${words.join(', ')}`);
  return found;
}

function wholeNumber(fields: Fields, name: string, least: number, before = ''): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < least)
    throw new Refusal(`${before}${name} ${JSON.stringify(value)}: expected a whole number from ${least} on`);
  return value;
}

function positiveNumber(fields: Fields, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
    throw new Refusal(`payload.${name} ${JSON.stringify(value)}: expected a number above 0`);
  return value;
}

/** Epoch ms, or ISO 8601; what is neither is passed over, since nothing depends on it. */
function timeOf(fields: Fields, ...names: string[]): number | undefined {
  for (const name of names) {
    const value = fields[name];
    const at = typeof value === 'number' ? value : typeof value === 'string' ? Date.parse(value) : Number.NaN;
    if (Number.isFinite(at) && Math.abs(at) <= 8.64e15) return Math.floor(at);
  }
  return undefined;
}

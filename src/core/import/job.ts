/** A cron job of another system in the shape of claw's own, or why it cannot be one. */
import { MAIN_AGENT } from '../routing/slug.ts';
import { parseDuration } from '../schedule/duration.ts';
import { idProblem, readJob as readOwnJob } from '../schedule/job.ts';
import { UTC } from '../schedule/zone.ts';
import { isFields, shown, timeOf } from './line.ts';

export type ImportedSchedule =
  | { kind: 'at'; atMs: number }
  | { kind: 'every'; everyMs: number; anchorMs?: number }
  | { kind: 'cron'; expr: string; tz?: string };

export type ImportedPayload =
  | { kind: 'systemEvent'; text: string }
  | {
      kind: 'agentTurn';
      message: string;
      model?: string;
      thinking?: string;
      timeoutSeconds?: number;
      deliver?: boolean;
      channel?: string;
      to?: string;
      bestEffortDeliver?: boolean;
    };

/** A job as it stands in `cron/jobs.json`. Times are epoch ms. */
export interface ImportedJob {
  id: string;
  name: string;
  description?: string;
  agentId?: string;
  enabled: boolean;
  createdAtMs?: number;
  updatedAtMs?: number;
  schedule: ImportedSchedule;
  sessionTarget: 'main' | 'isolated';
  wakeMode: 'now' | 'next-heartbeat';
  payload: ImportedPayload;
  deleteAfterRun?: boolean;
}

export type JobRead =
  | { ok: true; job: ImportedJob; notes: string[] }
  | { ok: false; id: string | null; reason: string };

const KNOWN: ReadonlySet<string> = new Set([
  ...['id', 'jobId', 'name', 'description', 'agentId', 'enabled', 'createdAtMs', 'updatedAtMs', 'createdAt'],
  ...['updatedAt', 'schedule', 'sessionTarget', 'wakeMode', 'payload', 'deleteAfterRun', 'delivery', 'state'],
]);

/** Reads one member of `jobs`. Its state (last and next run) is not taken over: claw reckons its own. */
export function readJob(raw: unknown): JobRead {
  if (!isFields(raw)) return { ok: false, id: null, reason: 'not an object' };
  const id = textOf(raw.id) ?? textOf(raw.jobId);
  const refuse = (reason: string): JobRead => ({ ok: false, id: id ?? null, reason });
  if (id === undefined) return refuse('it has no id');
  if (idProblem(id) !== null) return refuse('its id cannot be a file name');
  const schedule = readSchedule(raw.schedule, timeOf(raw.createdAtMs) ?? timeOf(raw.createdAt));
  if (typeof schedule === 'string') return refuse(schedule);
  const payload = readPayload(raw.payload, raw.delivery);
  if (typeof payload === 'string') return refuse(payload);
  const usual = payload.kind === 'systemEvent' ? 'main' : 'isolated';
  const sessionTarget = raw.sessionTarget ?? usual;
  if (sessionTarget !== usual)
    return refuse(`sessionTarget ${shown(sessionTarget)} does not go with payload ${payload.kind}`);

  const state = isFields(raw.state) ? raw.state : {};
  const notes: string[] = [];
  let enabled = raw.enabled !== false;
  const ran = timeOf(state.lastRunAtMs);
  if (enabled && schedule.kind === 'at' && ran !== undefined && ran >= schedule.atMs) {
    enabled = false;
    notes.push('it had already run, so it is disabled');
  }
  const unknown = Object.keys(raw).filter(name => !KNOWN.has(name));
  if (unknown.length > 0) notes.push(`left out: ${unknown.join(', ')}`);
  const createdAtMs = timeOf(raw.createdAtMs) ?? timeOf(raw.createdAt);
  const updatedAtMs = timeOf(raw.updatedAtMs) ?? timeOf(raw.updatedAt);
  const job: ImportedJob = {
    id,
    name: textOf(raw.name) ?? nameOf(payload),
    ...optional('description', textOf(raw.description)),
    ...optional('agentId', textOf(raw.agentId)),
    enabled,
    ...optional('createdAtMs', createdAtMs),
    ...optional('updatedAtMs', updatedAtMs),
    schedule,
    sessionTarget: usual,
    wakeMode: raw.wakeMode === 'now' ? 'now' : 'next-heartbeat',
    payload,
    ...(raw.deleteAfterRun === true ? { deleteAfterRun: true } : {}),
  };
  const doubt = check(job);
  return doubt === null ? { ok: true, job, notes } : refuse(doubt);
}

/** Why claw could not use the job; its zone and anchor are then the reader's. */
function check(job: ImportedJob): string | null {
  const read = readOwnJob(job, { agentId: MAIN_AGENT, definedAt: 0, zone: UTC });
  return read.ok ? null : read.problem;
}

function readSchedule(raw: unknown, createdAt: number | undefined): ImportedSchedule | string {
  if (typeof raw === 'string') return readSchedule({ kind: 'cron', expr: raw }, createdAt);
  if (!isFields(raw)) return 'it has no schedule';
  const kind = raw.kind ?? (raw.expr || raw.cron ? 'cron' : raw.everyMs || raw.every ? 'every' : 'at');
  switch (kind) {
    case 'at': {
      const at = timeOf(raw.atMs) ?? timeOf(raw.at);
      return at === undefined ? `its time ${shown(raw.atMs ?? raw.at)} is none` : { kind: 'at', atMs: at };
    }
    case 'every': {
      const every = typeof raw.everyMs === 'number' ? raw.everyMs : parseDuration(textOf(raw.every) ?? '');
      if (every === null || !Number.isFinite(every) || every < 1)
        return `its period ${shown(raw.everyMs ?? raw.every)} is none`;
      return { kind: 'every', everyMs: every, ...optional('anchorMs', timeOf(raw.anchorMs) ?? createdAt) };
    }
    case 'cron': {
      const expr = (textOf(raw.expr) ?? textOf(raw.cron) ?? textOf(raw.expression))?.replace(/\s+/g, ' ');
      if (expr === undefined) return 'its cron expression is missing';
      const fields = expr.split(' ');
      if ((fields.length !== 5 && fields.length !== 6) || !fields.every(each => /^[\w*/,?#-]+$/.test(each)))
        return `${shown(expr)} is no cron expression`;
      const tz = textOf(raw.tz) ?? textOf(raw.timezone);
      return { kind: 'cron', expr, ...optional('tz', tz) };
    }
  }
  return `schedule kind ${shown(kind)} is not known`;
}

function readPayload(raw: unknown, rawDelivery: unknown): ImportedPayload | string {
  if (!isFields(raw)) return 'it has no payload';
  const text = textOf(raw.text);
  const message = textOf(raw.message);
  const kind = raw.kind ?? (message === undefined ? 'systemEvent' : 'agentTurn');
  if (kind === 'systemEvent') {
    const said = text ?? message;
    return said === undefined ? 'its event has no text' : { kind, text: said };
  }
  if (kind !== 'agentTurn') return `payload kind ${shown(kind)} is not known`;
  const asked = message ?? text;
  if (asked === undefined) return 'its message is missing';
  // Newer stores say beside the payload how the answer goes out.
  const delivery = isFields(rawDelivery) ? rawDelivery : {};
  const announced = delivery.mode === undefined ? undefined : delivery.mode !== 'none';
  const deliver = typeof raw.deliver === 'boolean' ? raw.deliver : announced;
  const best = raw.bestEffortDeliver ?? delivery.bestEffort;
  const seconds = raw.timeoutSeconds;
  return {
    kind,
    message: asked,
    ...optional('model', textOf(raw.model)),
    ...optional('thinking', textOf(raw.thinking)),
    ...optional('timeoutSeconds', typeof seconds === 'number' && seconds > 0 ? seconds : undefined),
    ...optional('deliver', deliver),
    ...optional('channel', textOf(raw.channel) ?? textOf(raw.provider) ?? textOf(delivery.channel)),
    ...optional('to', idOf(raw.to) ?? idOf(delivery.to)),
    ...optional('bestEffortDeliver', typeof best === 'boolean' ? best : undefined),
  };
}

function nameOf(payload: ImportedPayload): string {
  const said = payload.kind === 'systemEvent' ? payload.text : payload.message;
  return said.replace(/\s+/g, ' ').slice(0, 60);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function idOf(value: unknown): string | undefined {
  return typeof value === 'number' ? String(value) : textOf(value);
}

function optional<Name extends string, Value>(
  name: Name,
  value: Value | undefined,
): { [key in Name]?: Value } {
  return value === undefined ? {} : ({ [name]: value } as { [key in Name]?: Value });
}

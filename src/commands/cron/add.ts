import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import { defaultAgentId } from '../../core/routing/binding.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { agentOfJob, idFromName, idProblem, type Job, readJob, writtenJob } from '../../core/schedule/job.ts';
import type { RunLine } from '../../core/schedule/run-record.ts';
import type { StoredSchedule } from '../../core/schedule/schedule.ts';
import type { Desk } from '../../runner/desk.ts';
import { JobCache } from '../../store/job-cache.ts';
import { changeJobs, type JobChange, type JobList, jobSetting, settledJob } from '../../store/jobs.ts';
import { runsFile } from '../../store/runs.ts';
import { openDesk } from '../desk.ts';
import { type Changed, checkTime, mendedJob, printChanged, problemInOptions } from './change.ts';
import { JobOptionsCommand } from './job-options.ts';
import { requireRight, signed } from './rights.ts';
import { maySeeJob } from './rows.ts';

type Fields = Readonly<Record<string, unknown>>;

export class CronAddCommand extends JobOptionsCommand {
  static override paths = [['cron', 'add']];
  static override usage = Command.Usage({
    description:
      'Add a job: a schedule (--at, --every or --cron) and what is due then (--message, --system-event or --exec). Prints its id and the next three instants.',
    examples: [
      [
        'News on working days, sent by Telegram',
        'claw cron add --name News --cron "0 7 * * 1-5" --tz Europe/Stockholm --message "The news, please." --deliver --channel telegram --to 111',
      ],
      ['A reminder', 'claw cron add --at 20m --system-event "Tea is ready." --wake now --delete-after-run'],
      ['A command', 'claw cron add --name Backup --every 6h --timeout 10m --exec -- rsync -a /data /backup'],
      [
        'From a script, as often as it likes',
        'claw cron add --id backup --upsert --every 6h --exec "rsync -a /data /backup"',
      ],
    ],
  });

  words = Option.Rest({ name: 'command' });
  id = Option.String('--id', { description: 'id of the job; default: from its name' });
  disabled = Option.Boolean('--disabled', { description: 'add it switched off' });
  upsert = Option.Boolean('--upsert', false, {
    description: 'change the job of that id (or, without --id, of that name and agent) where there is one',
  });
  protected readonly what = 'cron add';

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'cron add' });
    const now = context.now();
    const fields = this.fields({ now, zone: desk.zone, config: desk.config });
    const id = this.id ?? (typeof fields.id === 'string' ? fields.id : undefined);
    const wrong = id === undefined ? null : idProblem(id);
    if (wrong !== null) throw this.usage(`--id ${JSON.stringify(id)}: ${wrong}`);
    // What is refused is refused before anything is touched.
    this.create(desk, fields, id ?? 'new', now);
    const added = changeJobs(desk, list => this.change(desk, list, fields, id, now));
    await printChanged(desk, added, this.json, text => this.warn(text));
    return EXIT.ok;
  }

  /** The new definition, checked against everything but the list. @throws ClawError usage, noPermission */
  create(
    desk: Desk,
    fields: Fields,
    id: string,
    now: number,
  ): Extract<ReturnType<typeof readJob>, { ok: true }> {
    const raw: Record<string, unknown> = {
      ...fields,
      id,
      ...(this.disabled === undefined ? {} : { enabled: !this.disabled }),
      createdAtMs: now,
      updatedAtMs: now,
    };
    if (
      raw.schedule === undefined &&
      fields.at === undefined &&
      fields.every === undefined &&
      fields.cron === undefined
    )
      throw this.usage(
        'it needs a schedule: --at WHEN, --every DURATION or --cron EXPR',
        this.words.some(word => /^--(at|every|cron)\b/.test(word))
          ? 'everything behind --exec is the command: put the schedule before it'
          : undefined,
      );
    const viewer = viewerOf(desk.context.env);
    const isKeyed = typeof raw.sessionTarget === 'string' && /:/.test(raw.sessionTarget);
    if (viewer?.agentId && raw.agentId === undefined && !isKeyed) raw.agentId = viewer.agentId;
    const setting = jobSetting(desk, now);
    let read = readJob(raw, setting);
    // What an agent plans in a conversation with somebody else stays in that conversation.
    const isElsewhere = read.ok && read.job.payload.kind === 'agentTurn' && !maySeeJob(desk, read.job);
    const isOwn = raw.agentId === viewer?.agentId;
    if (viewer?.key && isOwn && raw.sessionTarget === undefined && isElsewhere)
      read = readJob({ ...raw, sessionTarget: viewer.key }, setting);
    if (!read.ok) throw this.usage(problemInOptions(read.problem));
    return this.checked(desk, null, read);
  }

  private checked<Read extends { job: Job }>(desk: Desk, before: Job | null, read: Read): Read {
    this.checkFit(read.job.payload.kind);
    checkTime(read.job, before, desk.context.now());
    requireRight(desk, before, read.job, { what: this.what, byCall: this.withoutCommands });
    return read;
  }

  /** A grid whose anchor nobody names stays where it is, however often the command is given. */
  private keptGrid(before: StoredSchedule, schedule: unknown): Fields {
    const wanted = schedule as StoredSchedule | undefined;
    const isSame =
      this.every !== undefined &&
      this.anchor === undefined &&
      before.kind === 'every' &&
      wanted?.kind === 'every' &&
      wanted.everyMs === before.everyMs;
    return isSame ? { schedule: before } : {};
  }

  private change(
    desk: Desk,
    list: JobList,
    fields: Fields,
    id: string | undefined,
    now: number,
  ): JobChange<Changed> {
    const provisional = this.create(desk, fields, id ?? 'new', now);
    const { job: wanted } = provisional;
    const agentOf = (job: Job) => agentOfJob(job, defaultAgentId(desk.config));
    const there = list.jobs.find(({ job }) =>
      id === undefined ? job.name === wanted.name && agentOf(job) === agentOf(wanted) : job.id === id,
    );
    if (this.upsert && there) {
      const { createdAtMs: _, ...changes } = fields;
      const { stored, read } = mendedJob(desk, there, {
        ...changes,
        ...this.keptGrid(
          settledJob(there, JobCache.open(desk).stateOf(there.job.id)).schedule,
          fields.schedule,
        ),
        ...(this.disabled === undefined ? {} : { enabled: !this.disabled }),
      });
      if (!read.ok) throw this.usage(problemInOptions(read.problem));
      this.checked(desk, stored, read);
      const before = writtenJob(stored, there.raw);
      const unchanged = JSON.stringify(writtenJob(read.job, there.raw)) === JSON.stringify(before);
      const result: Changed = { action: 'updated', job: read.job, unknown: read.unknown };
      if (unchanged) return { result: { ...result, action: 'unchanged' } };
      const job = { ...signed(desk, stored, read.job), updatedAtMs: now };
      return {
        put: [{ index: there.index, raw: writtenJob(job, there.raw) }],
        result: { ...result, job },
      };
    }
    const ids = [...list.jobs.map(({ job }) => job.id), ...list.invalid.flatMap(each => each.id ?? [])];
    const holder = ids.find(each => each.toLowerCase() === id?.toLowerCase());
    if (holder !== undefined)
      throw new ClawError(
        'usage',
        'job-exists',
        `--id ${id}: there is a job ${holder} already`,
        `claw cron edit ${holder}, or --upsert`,
      );
    const folded = new Set(ids.map(each => each.toLowerCase()));
    const fresh =
      id ??
      idFromName(
        wanted.name,
        desk.context.newId().replaceAll('-', ''),
        each => folded.has(each.toLowerCase()) || fs.existsSync(runsFile(desk.layout, each)),
      );
    const { job: made, unknown } = this.create(desk, fields, fresh, now);
    const job = signed(desk, null, made);
    // An id that was used before: what its past had switched off is switched on.
    const lines: RunLine[] = fs.existsSync(runsFile(desk.layout, fresh))
      ? [{ action: 'enabled', ts: now, jobId: fresh, reason: 'added' }]
      : [];
    return {
      put: [{ index: null, raw: writtenJob(job, { ...fields }) }],
      lines: lines.length > 0 ? [{ jobId: fresh, lines }] : [],
      result: { action: 'added', job, unknown },
    };
  }
}

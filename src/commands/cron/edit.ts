import { Command, Option } from 'clipanion';
import { nearest } from '../../config/nearest.ts';
import type { Context } from '../../context.ts';
import { EXIT } from '../../core/errors.ts';
import { viewerOf } from '../../core/routing/visibility.ts';
import { writtenJob } from '../../core/schedule/job.ts';
import { changeJobs } from '../../store/jobs.ts';
import { openDesk } from '../desk.ts';
import { type Changed, checkTime, mendedJob, printChanged, problemInOptions, switchedOn } from './change.ts';
import { JobOptionsCommand } from './job-options.ts';
import { requireRight, signed } from './rights.ts';
import { findJob, maySeeJob } from './rows.ts';

/** What can be taken back, by the option that sets it: the place of its field. */
const UNSET: Readonly<Record<string, readonly [string, string?]>> = {
  description: ['description'],
  agent: ['agentId'],
  session: ['sessionTarget'],
  wake: ['wakeMode'],
  'delete-after-run': ['deleteAfterRun'],
  'catch-up': ['catchUp'],
  grace: ['grace'],
  retries: ['retries'],
  'disable-after': ['disableAfter'],
  precheck: ['precheck'],
  model: ['payload', 'model'],
  thinking: ['payload', 'thinking'],
  timeout: ['payload', 'timeoutSeconds'],
  deliver: ['payload', 'deliver'],
  channel: ['payload', 'channel'],
  to: ['payload', 'to'],
  account: ['payload', 'accountId'],
  'best-effort-deliver': ['payload', 'bestEffortDeliver'],
  'max-runs-per-day': ['budget', 'runsPerDay'],
  'max-tokens-per-day': ['budget', 'tokensPerDay'],
  'post-to-main': ['isolation', 'postToMainMode'],
  'post-prefix': ['isolation', 'postToMainPrefix'],
  'post-max-chars': ['isolation', 'postToMainMaxChars'],
};

export class CronEditCommand extends JobOptionsCommand {
  static override paths = [['cron', 'edit']];
  static override usage = Command.Usage({
    description:
      'Change a job; what is not named stays. A changed schedule counts from now on; a run under way ends as it began.',
    examples: [
      ['Another time', 'claw cron edit news --cron "0 8 * * *"'],
      ['No delivery, and the default model again', 'claw cron edit news --no-deliver --unset model'],
    ],
  });

  job = Option.String({ name: 'id' });
  words = Option.Rest({ name: 'command' });
  enable = Option.Boolean('--enable', { description: 'switch it on; --disable: off' });
  disable = Option.Boolean('--disable', { description: 'switch it off' });
  unset = Option.Array('--unset', [], { description: `take back: ${Object.keys(UNSET).join(', ')}` });
  protected readonly what = 'cron edit';

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { log: 'cron edit' });
    const now = context.now();
    const changes = this.changes(this.fields({ now, zone: desk.zone, config: desk.config }));
    if (Object.keys(changes).length === 0) throw this.usage('there is nothing to change');
    const changed = changeJobs<Changed>(desk, list => {
      const seen = list.jobs.filter(({ job }) => maySeeJob(desk, job));
      const found = findJob(seen, viewerOf(context.env) === null ? list.invalid : [], this.job);
      const { stored, read } = mendedJob(desk, found, { ...changes, id: found.job.id });
      if (!read.ok) throw this.usage(problemInOptions(read.problem));
      this.checkFit(read.job.payload.kind);
      checkTime(read.job, stored, now);
      requireRight(desk, stored, read.job, { what: 'cron edit', byCall: this.withoutCommands });
      const raw = { ...found.raw, ...foreign(changes) };
      const lines = changes.enabled === true ? switchedOn(desk, read.job) : [];
      if (JSON.stringify(writtenJob(read.job, raw)) === JSON.stringify(writtenJob(stored, found.raw)))
        return {
          lines,
          result: {
            action: lines.length > 0 ? 'updated' : 'unchanged',
            job: read.job,
            unknown: read.unknown,
          },
        };
      const job = { ...signed(desk, stored, read.job), updatedAtMs: now };
      return {
        put: [{ index: found.index, raw: writtenJob(job, raw) }],
        lines,
        result: { action: 'updated', job, unknown: read.unknown },
      };
    });
    await printChanged(desk, changed, this.json, text => this.warn(text));
    return EXIT.ok;
  }

  private changes(fields: Record<string, unknown>): Record<string, unknown> {
    const changes: Record<string, unknown> = { ...fields };
    for (const name of this.unset) {
      const place = UNSET[kebab(name)];
      if (place === undefined) {
        const near = nearest(name, Object.keys(UNSET));
        throw this.usage(
          `--unset ${name}: there is no such part${near === undefined ? '' : `; did you mean ${near}?`}`,
        );
      }
      const [field, part] = place;
      if (part === undefined) changes[field] = null;
      else changes[field] = { ...(changes[field] as object | undefined), [part]: null };
    }
    if (this.enable !== undefined && this.enable === this.disable)
      throw this.usage('--enable and --disable go against each other');
    if (this.enable !== undefined) changes.enabled = this.enable;
    if (this.disable !== undefined) changes.enabled = !this.disable;
    return changes;
  }
}

/** Keys of a definition given as JSON that claw may not know: they are kept as everything else the user wrote. */
function foreign(changes: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(changes).filter(
      ([name, value]) => value !== null && !['schedule', 'payload'].includes(name),
    ),
  );
}

function kebab(name: string): string {
  return name.replace(/^--/, '').replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`);
}

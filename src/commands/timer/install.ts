import { Command, Option } from 'clipanion';
import type { Context } from '../../context.ts';
import { ClawError, EXIT } from '../../core/errors.ts';
import {
  cronBlock,
  detectKind,
  type InstallReport,
  installTimer,
  type TimerKind,
  type TimerPlace,
  timerFacts,
  unitFiles,
} from '../../runner/install-timer.ts';
import { ClawCommand } from '../base.ts';
import { openDesk } from '../desk.ts';
import { printable } from '../format.ts';
import { requireOperator } from '../operator.ts';
import { printJson, printOut } from '../output.ts';
import { timerPlace } from './place.ts';

const KINDS: TimerKind[] = ['systemd', 'launchd', 'cron'];

export class TimerInstallCommand extends ClawCommand {
  static override paths = [['timer', 'install']];
  static override usage = Command.Usage({
    description:
      'Have claw tick called once a minute, by a systemd user timer, a launchd agent, or the crontab where neither exists. Called again it changes only what is not as it should be.',
    examples: [
      ['Once, and again when Node or claw has moved', 'claw timer install'],
      ['What would be written?', 'claw timer install --print'],
      ['By cron, whatever else there is', 'claw timer install --cron'],
    ],
  });

  cron = Option.Boolean('--cron', false, { description: 'a marked block in the crontab (--kind cron)' });
  kind = Option.String('--kind', {
    description: 'systemd, launchd or cron instead of what this machine has',
  });
  hardened = Option.Boolean('--hardened', {
    description:
      'systemd: a drop-in that takes privileges away which agents rarely need; --no-hardened removes it',
  });
  print = Option.Boolean('--print', false, { description: 'print the filled-in units, change nothing' });
  force = Option.Boolean('--force', false, {
    description: 'also where somebody else wrote or edited a unit; it is kept under another name',
  });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'timer install');
    const kind = this.kindAsked();
    const place = timerPlace(context);
    if (this.print) return this.printUnits(place, kind);
    // A timer over a config that cannot be used would fail once a minute.
    await openDesk(context);
    const report = await installTimer(place, {
      force: this.force,
      ...(kind === undefined ? {} : { kind }),
      ...(this.hardened === undefined ? {} : { hardened: this.hardened }),
    });
    if (this.json) printJson(report);
    else printOut(describe(report));
    return EXIT.ok;
  }

  private kindAsked(): TimerKind | undefined {
    const asked = this.kind ?? (this.cron ? 'cron' : undefined);
    if (asked === undefined) return undefined;
    const found = KINDS.find(kind => kind === asked);
    if (found === undefined || (this.cron && found !== 'cron'))
      throw new ClawError(
        'usage',
        'usage',
        `--kind is one of ${KINDS.join(', ')}, not ${JSON.stringify(asked)}${this.cron ? ' with --cron' : ''}`,
        'claw timer install --help',
      );
    return found;
  }

  private async printUnits(place: TimerPlace, asked: TimerKind | undefined): Promise<number> {
    const facts = timerFacts(place);
    const kind = asked ?? (await detectKind(place.context)).kind;
    const files =
      kind === 'cron'
        ? [{ path: 'crontab', text: cronBlock(facts) }]
        : unitFiles(place, kind, facts, this.hardened ?? false);
    if (this.json) printJson({ kind, files, facts });
    // One file as it is; several as `systemctl cat` shows them.
    else if (files.length === 1) printOut(files[0]!.text);
    else printOut(files.map(file => `# ${file.path}\n${file.text}`).join('\n'));
    return EXIT.ok;
  }
}

function describe(report: InstallReport): string {
  const line = (head: string, text: string) => `${head.padEnd(10)} ${printable(text)}\n`;
  const changed = report.written.length + report.removed.length > 0;
  return [
    line('timer', `${report.kind} (${report.why})`),
    ...report.setAside.map(file => line('kept', file)),
    ...report.written.map(file => line('written', file)),
    ...report.removed.map(file => line('removed', file)),
    ...(changed ? [] : report.unchanged.map(file => line('unchanged', file))),
    line('runs', `${report.facts.node} ${report.facts.script} tick, once a minute`),
    line('PATH', report.facts.path),
    ...report.notes.map(note => line('note', note)),
    changed || report.started
      ? 'The timer is on; look at it: claw timer status\n'
      : 'Nothing had to be changed.\n',
  ].join('');
}

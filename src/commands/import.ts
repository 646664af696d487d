import fs from 'node:fs';
import { Command, Option } from 'clipanion';
import { type Context, expandHome } from '../context.ts';
import { EXIT } from '../core/errors.ts';
import { type ImportReport, importStore } from '../runner/import.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { printable } from './format.ts';
import { requireOperator } from './operator.ts';
import { printError, printJson, printOut } from './output.ts';

/** Most lines of one kind in a report for people; `--json` has all. */
const MOST_LINES = 20;

export class ImportCommand extends ClawCommand {
  static override paths = [['import']];
  static override usage = Command.Usage({
    description:
      "Read another system's state (warelay, Clawdis, Clawdbot, Moltbot, OpenClaw) without changing it, and write claw's own.",
    details:
      'DIR is the state folder, the folder it is in, or one sessions folder. Running it again changes nothing that is here already, takes what has grown there, and leaves alone what has gone on here.',
    examples: [
      ['What would come?', 'claw import ~/.clawdbot --dry-run'],
      ['Take it over', 'claw import ~/.clawdbot'],
    ],
  });

  folder = Option.String({ name: 'dir' });
  dryRun = Option.Boolean('--dry-run', false, { description: 'say what would come, write nothing' });

  override async run(context: Context): Promise<number> {
    requireOperator(context, 'import');
    const desk = await openDesk(context);
    const report = await importStore(desk, expandHome(this.folder), {
      dryRun: this.dryRun,
      onProgress: isTerminal(2) ? progress() : undefined,
    });
    if (this.json) printJson(report);
    else printOut(describe(report));
    if (report.problems.length > 0 || report.jobs.invalid.length > 0) return EXIT.data;
    return report.busy.length > 0 ? EXIT.tempfail : EXIT.ok;
  }
}

function isTerminal(fd: number): boolean {
  try {
    return fs.fstatSync(fd).isCharacterDevice() && fs.fstatSync(fd).rdev !== fs.statSync('/dev/null').rdev;
  } catch {
    return false;
  }
}

/** One line that is written over, at each whole percent. */
function progress(): (done: number, total: number) => void {
  let shown = -1;
  return (done, total) => {
    const percent = Math.floor((done * 100) / total);
    if (percent === shown || total < MOST_LINES) return;
    shown = percent;
    printError(`\r${done} of ${total} transcripts${done === total ? '\n' : ''}`);
  };
}

function describe(report: ImportReport): string {
  const { sessions, entries, jobs, runs, config, dryRun } = report;
  const lines: string[] = [];
  lines.push(`${dryRun ? 'Would import' : 'Imported'} ${report.system} state from ${report.source}`, '');
  const say = (name: string, counts: [number, string][]) => {
    const told = counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
    if (told.length > 0) lines.push(`  ${name.padEnd(9)} ${told.join(', ')}`);
  };
  say('sessions', [
    [sessions.imported, 'imported'],
    [sessions.updated, 'updated'],
    [sessions.archived, 'archived'],
    [sessions.unchanged, 'unchanged'],
    [sessions.kept, 'kept as they are here'],
    [sessions.skipped, 'skipped'],
  ]);
  say('lines', [
    [entries.messages, 'messages'],
    [entries.toolCalls, 'tool calls'],
    [entries.toolResults, 'tool results'],
    [entries.thinking, 'thinking'],
    [entries.compactions, 'compactions'],
    [entries.resets, 'resets'],
    [entries.other, 'of other kinds (kept as they were)'],
    [entries.unreadable, 'unreadable (kept as text)'],
  ]);
  say('jobs', [
    [jobs.imported.length, 'imported'],
    [jobs.existing.length, 'there already'],
    [jobs.invalid.length, 'not usable'],
  ]);
  say('runs', [
    [runs.imported, 'files imported'],
    [runs.unchanged, 'unchanged'],
    [runs.kept, 'kept as they are here'],
  ]);
  const outcome = {
    none: null,
    written: `${dryRun ? 'would write' : 'wrote'} ${config.file}`,
    kept: `kept your ${config.file}; see claw config migrate ${config.from}`,
    unusable: `${config.from} could not be read`,
  }[config.outcome];
  if (outcome !== null) lines.push(`  ${'config'.padEnd(9)} ${outcome}`);

  const list = (title: string, items: string[]) => {
    if (items.length === 0) return;
    lines.push('', title);
    for (const item of items.slice(0, MOST_LINES)) lines.push(`  ${printable(item)}`);
    if (items.length > MOST_LINES) lines.push(`  … and ${items.length - MOST_LINES} more (--json)`);
  };
  const place = (text: string) => (text === '' ? 'the file' : text);
  const notable = report.notable.map(
    ({ key, sessionId, outcome: what, reason }) =>
      `${what} ${key}${sessionId ? ` (${sessionId})` : ''}: ${reason}`,
  );
  list('Sessions to know of', notable);
  list(
    'Not usable jobs',
    jobs.invalid.map(({ id, reason }) => `${id ?? '(no id)'}: ${reason}`),
  );
  const settings = Object.entries(report.settingsLeftOut).map(
    ([name, count]) => `${name} (${count} sessions)`,
  );
  list('Settings without a counterpart', settings);
  list(
    'Left out of the configuration',
    config.leftOut.map(({ path, reason }) => `${place(path)}: ${reason}`),
  );
  list(
    'Not taken',
    report.notTaken.map(({ what, file, reason }) => {
      const [place, name] = file.split(': ');
      if (name !== undefined) return `the ${what} ${name} in ${place}: ${reason}`;
      return what === file ? `${file}: ${reason}` : `${file} (${what}): ${reason}`;
    }),
  );
  list(
    'Could not be read',
    report.problems.map(({ file, reason }) => `${file}: ${reason}`),
  );
  list('Notes', report.notes);
  return `${lines.join('\n')}\n`;
}

import fs from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'clipanion';
import type { Context } from '../context.ts';
import { runnerName } from '../core/agent.ts';
import { ClawError, EXIT } from '../core/errors.ts';
import { agentIds } from '../core/routing/binding.ts';
import type { Desk } from '../runner/desk.ts';
import { findProgram } from '../runner/exec.ts';
import { findUnreadableRecords, repairRecord } from '../runner/repair.ts';
import { listOutbox } from '../store/outbox.ts';
import { listAgents, listRecords } from '../store/sessions.ts';
import { ClawCommand } from './base.ts';
import { openDesk } from './desk.ts';
import { age } from './format.ts';
import { inboxRows } from './inbox/list.ts';
import { printJson, printOut } from './output.ts';

/** One thing that was looked at. */
export interface Check {
  name: string;
  ok: boolean;
  message: string;
  /** the command or edit that mends it */
  remedy: string | null;
  fixed: boolean;
}

const TICK_LATE = 5 * 60_000;

export class DoctorCommand extends ClawCommand {
  static override paths = [['doctor']];
  static override usage = Command.Usage({
    description:
      'Look for what needs attention, each with its remedy; exit 1 when there is something. --fix mends what it can.',
    examples: [['After a crash', 'claw doctor --fix']],
  });

  fix = Option.Boolean('--fix', false, {
    description: 'mend file modes and unreadable session records (moved aside, never deleted)',
  });

  override async run(context: Context): Promise<number> {
    const desk = await openDesk(context, { anyConfig: true });
    const checks = [
      await checkConfig(context),
      ...checkRunners(desk),
      ...checkAgents(desk),

      ...checkRecords(desk, this.fix),
      ...checkModes(desk, this.fix),
      checkTick(desk),
      ...checkPending(desk),
    ];
    if (this.json) printJson({ ok: checks.every(check => check.ok), checks });
    else {
      for (const check of checks) {
        const mark = check.ok ? (check.fixed ? 'fixed' : 'ok   ') : 'look ';
        printOut(
          `${mark}  ${check.message}\n${check.ok || !check.remedy ? '' : `       try: ${check.remedy}\n`}`,
        );
      }
    }
    return checks.every(check => check.ok) ? EXIT.ok : EXIT.attention;
  }
}

function fine(name: string, message: string, fixed = false): Check {
  return { name, ok: true, message, remedy: null, fixed };
}

function problem(name: string, message: string, remedy: string): Check {
  return { name, ok: false, message, remedy, fixed: false };
}

async function checkConfig(context: Context): Promise<Check> {
  try {
    await openDesk(context, { allNotes: true });
    return fine('config', 'the config is valid');
  } catch (error) {
    if (!(error instanceof ClawError)) throw error;
    return problem('config', error.message, `edit ${context.configFile}`);
  }
}

/** Runners that agents are set to and whose program is not there. */
function checkRunners(desk: Desk): Check[] {
  const used = new Set(agentIds(desk.config).map(agentId => runnerName(desk.config, agentId)));
  return [...used].flatMap(name => {
    const runner = desk.config.runners?.[name];
    if (!runner) return [];
    const found = findProgram(runner.command, desk.layout.workspace('main'), desk.context.env.PATH);
    if ('file' in found) return [fine('runner', `runner ${name} is ${found.file}`)];
    return [
      problem(
        'runner',
        `runner ${name}: ${found.message}`,
        'claw init shows which agent command lines are installed',
      ),
    ];
  });
}

/** Sessions of agents that the config does not know: nothing is lost, but no message reaches them. */
function checkAgents(desk: Desk): Check[] {
  const configured = agentIds(desk.config);
  return listAgents(desk.layout)
    .filter(agentId => !configured.includes(agentId) && listRecords(desk.layout, agentId).records.length > 0)
    .map(agentId =>
      problem(
        'agents',
        `agent ${agentId} has sessions but is not in agents.list`,
        `add { id: "${agentId}" } to agents.list`,
      ),
    );
}

function checkRecords(desk: Desk, fix: boolean): Check[] {
  const unreadable = findUnreadableRecords(desk);
  if (unreadable.length === 0) return [fine('records', 'every session record can be read')];
  return unreadable.map(record => {
    if (!fix) return problem('records', `${record.file}: ${record.reason}`, 'claw doctor --fix');
    const { movedTo, rebuilt } = repairRecord(desk, record);
    if (movedTo === null)
      return problem(
        'records',
        `${record.file}: its session is in use`,
        'claw doctor --fix, when the turn has ended',
      );
    const outcome = rebuilt
      ? `${rebuilt} goes on with its transcript`
      : 'no transcript of it is open; the next message begins anew';
    return fine('records', `${record.file} moved to ${path.basename(movedTo)}; ${outcome}`, true);
  });
}

/** State is for its owner alone: an older umask or a copy may have left it readable by others. */
function checkModes(desk: Desk, fix: boolean): Check[] {
  const loose: string[] = [];
  if (fs.existsSync(desk.layout.home)) {
    const names = ['.', ...(fs.readdirSync(desk.layout.home, { recursive: true }) as string[])];
    for (const name of names) {
      // What agents write is theirs; locks come and go, inside folders nobody else can enter.
      if (name.split(path.sep).includes('workspace') || name.startsWith('locks')) continue;
      const file = path.join(desk.layout.home, name);
      const stat = fs.lstatSync(file, { throwIfNoEntry: false });
      if (!stat || stat.isSymbolicLink() || (stat.mode & 0o077) === 0) continue;
      loose.push(file);
      if (fix) fs.chmodSync(file, stat.isDirectory() ? 0o700 : 0o600);
    }
  }
  if (loose.length === 0) return [fine('modes', 'files can be read by you alone')];
  const what = `${loose.length} of its files could be read by others, ${loose[0]} among them`;
  return [
    fix ? fine('modes', `${what}; now by you alone`, true) : problem('modes', what, 'claw doctor --fix'),
  ];
}

function checkTick(desk: Desk): Check {
  const stamp = fs.statSync(desk.layout.tickStamp(), { throwIfNoEntry: false });
  const remedy = 'call claw tick once a minute from a timer; see the README';
  if (!stamp) return problem('tick', 'claw tick has never run here', remedy);
  const since = desk.context.now() - stamp.mtimeMs;
  if (since > TICK_LATE) return problem('tick', `the last tick was ${age(since)} ago`, remedy);
  return fine('tick', `the last tick was ${age(since)} ago`);
}

function checkPending(desk: Desk): Check[] {
  const failed = inboxRows(desk).rows.filter(row => row.error !== null).length;
  const { items } = listOutbox(desk.layout);
  return [
    failed === 0
      ? fine('inbox', 'no message has failed')
      : problem('inbox', `${failed} messages whose agent failed`, 'claw inbox list'),
    items.length === 0
      ? fine('delivery', 'no reply is held up')
      : problem('delivery', `${items.length} replies were not delivered`, 'claw delivery list'),
  ];
}

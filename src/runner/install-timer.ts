/**
 * The OS timer that calls `claw tick`: which kind this machine has, what stands there, putting it there and taking it away.
 * Nothing is ever written over, or removed, that install did not write itself.
 */
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { ClawError } from '../core/errors.ts';
import { readLaunchd, readProperties, readTimestamp, saysNoCrontab } from '../core/timer/answer.ts';
import {
  commandLength,
  cronLine,
  findBlock,
  LONGEST_COMMAND,
  putBlock,
  takeBlock,
} from '../core/timer/crontab.ts';
import { sign, type TimerFacts } from '../core/timer/marker.ts';
import { fillPlist } from '../core/timer/plist.ts';
import {
  freezePath,
  hasControlCharacter,
  lastingNames,
  temporaryMaker,
  unstableProgram,
} from '../core/timer/program-path.ts';
import { fillHardened, fillService } from '../core/timer/unit.ts';
import {
  type FoundUnit,
  findUnit,
  isProgram,
  readTemplate,
  realFile,
  realFolder,
  removeUnit,
  setAside,
  sha256,
  systemdFolder,
  type UnitFile,
  writeUnit,
} from '../store/units.ts';
import { type Answer, ask } from './probe.ts';

export type TimerKind = 'systemd' | 'launchd' | 'cron';

const TIMER = 'claw-tick.timer';
const SERVICE = 'claw-tick.service';
const LABEL = 'claw-tick';
const LINGER = 'loginctl enable-linger';
/** A tick comes once a minute. */
const LATE = 5 * 60_000;

/** The place a timer is installed in, and who asks. */
export interface TimerPlace {
  context: Context;
  /** of the installed claw: `systemd/`, `launchd/` and `bin/claw.js` are in it */
  packageFolder: string;
  /** `process.execPath` */
  node: string;
}

// What would be written

/**
 * The paths a timer installed now would hold.
 *
 * @throws ClawError temporary-path (78) when Node or claw itself is in a place that will not stay
 */
export function timerFacts({ context, packageFolder, node }: TimerPlace): TimerFacts {
  const folders = (context.env.PATH ?? '').split(':').filter(path.isAbsolute);
  const real = realFile(node) ?? node;
  const lasting = lastingNames(real, folders).find(name => realFile(name) === real) ?? real;
  const facts = {
    node: lasting,
    script: path.join(packageFolder, 'bin', 'claw.js'),
    home: context.home,
    config: context.configExplicit ? context.configFile : null,
    path: freezePath(context.env.PATH, path.dirname(lasting), realFolder),
    zone: context.env.TZ || null,
  };
  const unstable = unstableProgram(facts.node);
  if (unstable)
    throw new ClawError(
      'config',
      'temporary-path',
      `node is at ${facts.node}, made by ${unstable}: it would not be there for the timer`,
      'call claw with the node that stays: "$(node -p process.execPath)" "$(command -v claw)" timer install; or install Node for the system',
    );
  const fleeting = temporaryMaker(facts.script);
  if (fleeting)
    throw new ClawError(
      'config',
      'temporary-path',
      `claw is at ${facts.script}, made by ${fleeting}: it would not be there for the timer`,
      'install claw to stay (npm install -g), then: claw timer install',
    );
  for (const value of Object.values(facts)) {
    if (value !== null && hasControlCharacter(value))
      throw new ClawError(
        'config',
        'path-unusable',
        `${JSON.stringify(value)} holds a control character, which no timer can be given`,
        'rename it',
      );
  }
  return facts;
}

/** Every file of one kind, in the order in which they are written; none for cron, whose place is a table. */
export function unitFiles(
  place: TimerPlace,
  kind: TimerKind,
  facts: TimerFacts,
  hardened: boolean,
): UnitFile[] {
  const template = (name: string) => readTemplate(place.packageFolder, name);
  const paths = unitPaths(place.context);
  if (kind === 'cron') return [];
  if (kind === 'launchd') {
    const text = fillPlist(template('launchd/claw-tick.plist'), facts);
    return [{ path: paths.plist, text: sign(text, facts, 'xml', sha256) }];
  }
  const signed = (file: string, text: string) => ({ path: file, text: sign(text, facts, 'hash', sha256) });
  const dropIn = () => fillHardened(template('systemd/hardened.conf'), facts, os.homedir());
  return [
    signed(paths.service, fillService(template('systemd/claw-tick.service'), facts)),
    ...(hardened ? [signed(paths.hardened, dropIn())] : []),
    signed(paths.timer, template('systemd/claw-tick.timer')),
  ];
}

function unitPaths(context: Context) {
  const folder = systemdFolder(context.env, os.homedir());
  return {
    service: path.join(folder, SERVICE),
    hardened: path.join(folder, `${SERVICE}.d`, 'claw-hardened.conf'),
    timer: path.join(folder, TIMER),
    plist: path.join(os.homedir(), 'Library', 'LaunchAgents', `${LABEL}.plist`),
  };
}

/** The block of a crontab as text, as `--print` shows it. */
export function cronBlock(facts: TimerFacts): string {
  checkCommand(facts);
  return Buffer.from(putBlock('', facts, sha256), 'latin1').toString('utf8');
}

function checkCommand(facts: TimerFacts): void {
  const length = commandLength(cronLine(facts));
  if (length <= LONGEST_COMMAND) return;
  throw new ClawError(
    'config',
    'path-too-long',
    `the command would be ${length} bytes long, and cron takes ${LONGEST_COMMAND}: PATH is ${facts.path.length} of them`,
    'PATH=/usr/local/bin:/usr/bin:/bin claw timer install --cron (with the folders your agents need)',
  );
}

// What is there

function systemEnv(context: Context): Record<string, string | undefined> {
  // Times and sentences as they are read here; a pager would wait for a key.
  return { ...context.env, LC_ALL: 'C', LANG: 'C', TZ: 'UTC', SYSTEMD_PAGER: '', PAGER: 'cat' };
}

function systemctl(context: Context, ...args: string[]): Promise<Answer> {
  return ask('systemctl', ['--user', ...args], { env: systemEnv(context) });
}

function launchctl(context: Context, ...args: string[]): Promise<Answer> {
  return ask('launchctl', args, { env: systemEnv(context) });
}

function domain(context: Context): string {
  return `gui/${context.uid ?? 0}`;
}

function failed(what: string, answer: Answer, hint: string): ClawError {
  const why = answer.missing ? 'there is no such program' : answer.stderr || `exit status ${answer.status}`;
  return new ClawError('unavailable', 'timer-failed', `${what}: ${why}`, hint);
}

/** Which kind this machine has: launchd, a systemd user manager that answers, cron. */
export async function detectKind(context: Context): Promise<{ kind: TimerKind; why: string }> {
  const launchd = await launchctl(context, 'version');
  if (!launchd.missing) return { kind: 'launchd', why: 'launchctl is here' };
  const manager = await systemctl(context, 'show', '--property=Version');
  if (manager.status === 0) return { kind: 'systemd', why: 'the systemd user manager answers' };
  const why = manager.missing
    ? 'there is neither launchd nor systemd'
    : `the systemd user manager does not answer (${manager.stderr.split('\n')[0] || `exit status ${manager.status}`})`;
  const cron = await ask('crontab', ['-l'], { env: systemEnv(context) });
  if (!cron.missing) return { kind: 'cron', why };
  throw new ClawError(
    'unavailable',
    'no-timer',
    `${why}, and there is no crontab`,
    'call claw tick once a minute by whatever this machine has; claw timer install --print --kind systemd shows the units',
  );
}

/** The user's crontab, one character per byte; null when he has none. */
async function readCrontab(context: Context): Promise<string | null> {
  const answer = await ask('crontab', ['-l'], { env: systemEnv(context) });
  if (answer.status === 0) return answer.stdout;
  if (answer.missing || saysNoCrontab(answer.stderr)) return null;
  throw failed('crontab -l', answer, 'crontab -l');
}

/** Sets the whole table, and looks whether it is what was wanted. */
async function writeCrontab(context: Context, table: string | null): Promise<void> {
  const env = systemEnv(context);
  const answer =
    table === null
      ? await ask('crontab', ['-r'], { env })
      : await ask('crontab', ['-'], { env, input: table });
  if (answer.status !== 0) throw failed('crontab', answer, 'crontab -l');
  const now = await readCrontab(context);
  if (now !== table && !(table === '' && now === null))
    throw new ClawError(
      'tempfail',
      'crontab-changed',
      'the crontab is not what was written: somebody else changes it too',
      'crontab -l',
    );
}

/** One thing about the timer that keeps ticks from coming, with its remedy. */
export interface TimerProblem {
  what: string;
  fix: string;
}

export interface TimerState {
  installed: boolean;
  kind: TimerKind | null;
  /** files, or `crontab`, with who wrote them */
  files: { path: string; state: FoundUnit['state'] }[];
  /** what it runs, from its marker; null where install did not write it */
  facts: TimerFacts | null;
  hardened: boolean;
  /** it ticks for another `$CLAW_HOME` */
  elsewhere: boolean;
  /** does the system know it and call it; null when it cannot be asked */
  active: boolean | null;
  enabled: boolean | null;
  /** a tick runs at this moment */
  running: boolean;
  nextAt: number | null;
  lastAt: number | null;
  /** exit status of the last tick that the timer started; null when unknown */
  lastExit: number | null;
  /** systemd: does the timer go on after logout; null when unknown or without meaning */
  linger: boolean | null;
  /** ways in which what is installed is not what would be installed now */
  drift: string[];
  problems: TimerProblem[];
  notes: string[];
}

interface Installed {
  kind: TimerKind;
  files: FoundUnit[];
  facts: TimerFacts | null;
  hardened: boolean;
}

const CRONTAB = 'crontab';

/** What is installed, by files and the user's crontab; null when nothing is. A crontab that cannot be read is noted. */
async function findInstalled(context: Context, notes: string[]): Promise<Installed | null> {
  const paths = unitPaths(context);
  const units = [paths.service, paths.hardened, paths.timer].map(findUnit);
  const [service, hardened, timer] = units as [FoundUnit, FoundUnit, FoundUnit];
  if (service.state !== 'missing' || timer.state !== 'missing') {
    const files = hardened.state === 'missing' ? [service, timer] : units;
    return { kind: 'systemd', files, facts: service.facts, hardened: hardened.state !== 'missing' };
  }
  const plist = findUnit(paths.plist);
  if (plist.state !== 'missing')
    return { kind: 'launchd', files: [plist], facts: plist.facts, hardened: false };
  const block = await findCronUnit(context).catch(error => {
    if (!(error instanceof ClawError)) throw error;
    notes.push(error.message);
    return null;
  });
  return block && { kind: 'cron', files: [block], facts: block.facts, hardened: false };
}

async function findCronUnit(context: Context): Promise<FoundUnit | null> {
  const table = await readCrontab(context);
  const block = table === null ? null : findBlock(table, sha256);
  if (!block) return null;
  return { path: CRONTAB, state: block.state, text: block.text, facts: block.facts, modifiedAt: null };
}

/**
 * Everything about the timer of this user: what is installed, whether it runs, and what is wrong with it. Changes nothing.
 *
 * @param options.ask false: the files alone (and `crontab -l` where there are none); the system's answers stay null
 * @param lastTick epoch ms of the last tick of this `$CLAW_HOME`, null when there was none
 */
export async function inspectTimer(
  place: TimerPlace,
  lastTick: number | null,
  options: { ask: boolean } = { ask: true },
): Promise<TimerState> {
  const { context } = place;
  const notes: string[] = [];
  const installed = await findInstalled(context, notes);
  const state: TimerState = {
    installed: installed !== null,
    kind: installed?.kind ?? null,
    files: installed?.files.map(({ path: file, state: who }) => ({ path: file, state: who })) ?? [],
    facts: installed?.facts ?? null,
    hardened: installed?.hardened ?? false,
    elsewhere: Boolean(installed?.facts && installed.facts.home !== context.home),
    active: null,
    enabled: null,
    running: false,
    nextAt: null,
    lastAt: null,
    lastExit: null,
    linger: null,
    drift: [],
    problems: [],
    notes,
  };
  if (!installed) {
    state.problems.push({ what: 'no timer is installed', fix: 'claw timer install' });
    return state;
  }
  if (!options.ask) judgeFiles(place, installed, state);
  if (!options.ask) return state;
  if (installed.kind === 'systemd') await lookAtSystemd(context, state);
  else if (installed.kind === 'launchd') await lookAtLaunchd(context, state);
  else await lookAtCron(context, state);
  judgeFiles(place, installed, state);
  if (state.problems.length === 0) judgeTicks(context, installed, state, lastTick);
  return state;
}

const MISSING_TIMER = { what: 'the system does not know the timer', fix: 'claw timer install' };

async function lookAtSystemd(context: Context, state: TimerState): Promise<void> {
  const timer = await systemctl(
    context,
    'show',
    TIMER,
    '--property=LoadState,ActiveState,UnitFileState,NextElapseUSecRealtime,LastTriggerUSec,NeedDaemonReload',
  );
  if (timer.status !== 0) {
    const why = timer.stderr.split('\n')[0] || `exit status ${timer.status}`;
    state.notes.push(`the systemd user manager cannot be asked (${why})`);
    return;
  }
  const about = readProperties(timer.stdout);
  state.active = about.ActiveState === 'active';
  state.enabled = about.UnitFileState === 'enabled';
  state.nextAt = readTimestamp(about.NextElapseUSecRealtime);
  state.lastAt = readTimestamp(about.LastTriggerUSec);
  if (about.LoadState !== 'loaded') state.problems.push(MISSING_TIMER);
  else if (!state.active) state.problems.push({ what: 'the timer is stopped', fix: 'claw timer install' });
  else if (!state.enabled)
    state.problems.push({
      what: 'the timer is not enabled: it ends with this login',
      fix: 'claw timer install',
    });
  if (about.NeedDaemonReload === 'yes')
    state.notes.push('the units were changed since systemd read them; try: claw timer install');
  const service = await systemctl(
    context,
    'show',
    SERVICE,
    '--property=LoadState,ActiveState,Result,ExecMainStatus,ExecMainExitTimestamp',
  );
  const run = service.status === 0 ? readProperties(service.stdout) : {};
  state.running = run.ActiveState === 'activating' || run.ActiveState === 'active';
  const ended = readTimestamp(run.ExecMainExitTimestamp) !== null;
  state.lastExit = ended ? Number(run.ExecMainStatus ?? 0) : null;
  if (!state.running && run.Result !== undefined && run.Result !== 'success')
    state.problems.push({
      what: `the last tick of the timer failed (${run.Result}, status ${run.ExecMainStatus ?? 'unknown'})`,
      fix: remedyFor(state.lastExit),
    });
  state.linger = await askLinger(context);
  if (state.linger === false)
    state.notes.push(`the timer stops when you log out and comes back at login; to keep it: ${LINGER}`);
}

/** What to look at after a tick with this exit status. */
function remedyFor(status: number | null): string {
  // systemd.exec(5): 226 is EXIT_NAMESPACE, where users may not make the namespaces that hardening takes.
  if (status === 226) return 'claw timer install --no-hardened';
  return status === 78 ? 'claw config validate' : 'claw tick; claw logs';
}

/** Do the user's units go on after logout? Null where logind does not say. */
async function askLinger(context: Context): Promise<boolean | null> {
  const answer = await ask('loginctl', ['show-user', String(context.uid ?? 0), '--property=Linger'], {
    env: systemEnv(context),
  });
  const { Linger } = readProperties(answer.stdout);
  return answer.status === 0 && Linger !== undefined ? Linger === 'yes' : null;
}

async function lookAtLaunchd(context: Context, state: TimerState): Promise<void> {
  const answer = await launchctl(context, 'print', `${domain(context)}/${LABEL}`);
  if (answer.missing) {
    state.notes.push('there is no launchctl to ask');
    return;
  }
  state.active = answer.status === 0;
  state.enabled = state.active;
  if (!state.active) state.problems.push(MISSING_TIMER);
  state.running = readLaunchd(answer.stdout, 'state') === 'running';
  const status = readLaunchd(answer.stdout, 'last exit code');
  state.lastExit = status !== null && /^\d+/.test(status) ? Number.parseInt(status, 10) : null;
  if (state.lastExit !== null && ![0, 75].includes(state.lastExit) && !state.running)
    state.problems.push({
      what: `the last tick of the timer failed (status ${state.lastExit})`,
      fix: remedyFor(state.lastExit),
    });
}

async function lookAtCron(context: Context, state: TimerState): Promise<void> {
  // Whether a cron daemon reads the table, the table does not say; the age of the last tick does.
  state.enabled = true;
  state.nextAt = (Math.floor(context.now() / 60_000) + 1) * 60_000;
}

/** Do the files hold what they should, and do the programs in them exist? */
function judgeFiles(place: TimerPlace, installed: Installed, state: TimerState): void {
  for (const { path: file, state: who } of installed.files) {
    if (who === 'edited') state.notes.push(`${file} was edited by hand: claw leaves it as it is`);
    if (who === 'foreign') state.notes.push(`${file} was not written by claw timer install`);
    if (who === 'missing') state.problems.push({ what: `${file} is missing`, fix: 'claw timer install' });
  }
  const { facts } = installed;
  if (!facts) return;
  const fix = 'claw timer install';
  if (!isProgram(facts.node)) state.problems.push({ what: `node is no longer at ${facts.node}`, fix });
  if (realFile(facts.script) === null)
    state.problems.push({ what: `claw is no longer at ${facts.script}`, fix });
  if (state.elsewhere)
    state.problems.push({ what: `the timer ticks for ${facts.home}, not for ${place.context.home}`, fix });
  if (facts.config !== null && realFile(facts.config) === null)
    state.problems.push({ what: `the config file of the timer is missing: ${facts.config}`, fix });
  state.drift = driftOf(place, installed, facts);
}

/**
 * What an install now would change. The PATH is not looked at: it differs from shell to shell, and was frozen on purpose.
 */
function driftOf(place: TimerPlace, installed: Installed, facts: TimerFacts): string[] {
  let now: TimerFacts;
  try {
    now = timerFacts(place);
  } catch (error) {
    return error instanceof ClawError ? [error.message] : [];
  }
  const moved = (what: string, was: string | null, is: string | null) =>
    was === is ? [] : [`${what} is ${is ?? 'none'} now, ${was ?? 'none'} in the timer`];
  const drift = [
    ...moved('node', facts.node, now.node),
    ...moved('claw', facts.script, now.script),
    ...moved('CLAW_HOME', facts.home, now.home),
    // Without --config nothing was said of it; an install now would keep to that.
    ...(now.config === null ? [] : moved('the config file', facts.config, now.config)),
  ];
  const wanted = new Map(
    unitFiles(place, installed.kind, facts, installed.hardened).map(file => [file.path, file.text]),
  );
  for (const { path: file, state, text } of installed.files) {
    if (state !== 'ours') continue;
    const now = installed.kind === 'cron' ? putBlock(text, facts, sha256) : wanted.get(file);
    if (now !== text) drift.push(`${file} is of another version of claw`);
  }
  return drift;
}

/** A timer that is well by its own words, but no tick comes. */
function judgeTicks(
  context: Context,
  installed: Installed,
  state: TimerState,
  lastTick: number | null,
): void {
  const since = Math.max(lastTick ?? 0, ...installed.files.map(file => file.modifiedAt ?? 0));
  if (state.running || since === 0 || context.now() - since <= LATE) return;
  state.problems.push({
    what: 'the timer is installed, but no tick comes',
    fix:
      installed.kind === 'systemd'
        ? `systemctl --user status ${SERVICE}`
        : installed.kind === 'launchd'
          ? `launchctl print ${domain(context)}/${LABEL}`
          : 'look whether cron runs: pgrep -l cron',
  });
}

// Putting it there

export interface InstallReport {
  kind: TimerKind;
  why: string;
  /** files written, or `crontab` */
  written: string[];
  unchanged: string[];
  removed: string[];
  /** files of somebody else, kept under these names */
  setAside: string[];
  /** the system was told to read or start something */
  started: boolean;
  facts: TimerFacts;
  hardened: boolean;
  linger: boolean | null;
  notes: string[];
}

export interface InstallOptions {
  kind?: TimerKind;
  /** undefined: as it is */
  hardened?: boolean;
  /** put aside what somebody else wrote */
  force: boolean;
}

/**
 * Installs and starts the timer. A second call with nothing changed writes nothing and starts nothing.
 *
 * @throws ClawError temporary-path, unit-not-ours (73), other-timer (73), timer-failed (69), no-timer (69)
 */
export async function installTimer(place: TimerPlace, options: InstallOptions): Promise<InstallReport> {
  const { context } = place;
  const facts = timerFacts(place);
  const { kind, why } = options.kind ? { kind: options.kind, why: 'asked for' } : await detectKind(context);
  const before = await findInstalled(context, []);
  if (before && before.kind !== kind)
    throw new ClawError(
      'cannotCreate',
      'other-timer',
      `a ${before.kind} timer is installed (${before.files[0]!.path}), and ${kind} would be used now: ${why}`,
      'claw timer uninstall, then again; or install from where the first timer was installed',
    );
  const hardened = options.hardened ?? before?.hardened ?? false;
  if (hardened && kind !== 'systemd')
    throw new ClawError('usage', 'usage', `--hardened is for systemd, and this is ${kind}`, 'leave it out');
  const report: InstallReport = {
    kind,
    why,
    written: [],
    unchanged: [],
    removed: [],
    setAside: [],
    started: false,
    facts,
    hardened,
    linger: null,
    notes: [],
  };
  if (before?.facts && before.facts.home !== facts.home)
    report.notes.push(`the timer ticked for ${before.facts.home} until now; a user has one timer`);
  if (kind === 'cron') await installCron(context, report, options.force);
  else {
    putFiles(place, report, options.force);
    if (kind === 'systemd') await startSystemd(context, report);
    else await startLaunchd(context, report);
  }
  return report;
}

function notOurs(file: string): ClawError {
  return new ClawError(
    'cannotCreate',
    'unit-not-ours',
    `${file} was written or edited by somebody else; nothing was changed`,
    'look at it; then: claw timer install --force (keeps it under another name)',
  );
}

/** Writes what is not there yet. Looks at everything before it writes anything. */
function putFiles(place: TimerPlace, report: InstallReport, force: boolean): void {
  const { context } = place;
  const wanted = unitFiles(place, report.kind, report.facts, report.hardened);
  const { hardened } = unitPaths(context);
  const found = new Map(wanted.map(file => [file.path, findUnit(file.path)]));
  const isOthers = (unit: FoundUnit) => unit.state === 'edited' || unit.state === 'foreign';
  for (const unit of found.values()) if (isOthers(unit) && !force) throw notOurs(unit.path);
  for (const file of wanted) {
    const unit = found.get(file.path)!;
    if (unit.state === 'ours' && unit.text === file.text) {
      report.unchanged.push(file.path);
      continue;
    }
    if (isOthers(unit)) report.setAside.push(setAside(file.path, context.now()));
    writeUnit(file, context.newId());
    report.written.push(file.path);
  }
  if (report.kind !== 'systemd' || report.hardened) return;
  const left = findUnit(hardened);
  if (left.state === 'ours') {
    removeUnit(hardened);
    report.removed.push(hardened);
  } else if (left.state !== 'missing')
    report.notes.push(`${hardened} was edited by hand: it is left, and still in force`);
}

const SYSTEMD_HINT = `systemctl --user status ${TIMER}; claw timer install once it is mended`;

async function startSystemd(context: Context, report: InstallReport): Promise<void> {
  const told = async (...args: string[]) => {
    const answer = await systemctl(context, ...args);
    if (answer.status !== 0)
      throw failed(`the files are in place, but systemctl --user ${args.join(' ')}`, answer, SYSTEMD_HINT);
    report.started = true;
  };
  const shown = async () =>
    readProperties(
      (
        await systemctl(
          context,
          'show',
          TIMER,
          '--property=LoadState,ActiveState,UnitFileState,NeedDaemonReload',
        )
      ).stdout,
    );
  let state = await shown();
  if (report.written.length + report.removed.length > 0 || state.NeedDaemonReload === 'yes') {
    await told('daemon-reload');
    state = await shown();
  }
  if (state.LoadState !== 'loaded') {
    // Files that came while nobody told the manager.
    await told('daemon-reload');
    state = await shown();
  }
  if (state.LoadState !== 'loaded')
    throw new ClawError(
      'unavailable',
      'timer-failed',
      `systemd does not read ${path.dirname(report.written[0] ?? report.unchanged[0]!)}: ${TIMER} is ${state.LoadState ?? 'unknown'}`,
      'is XDG_CONFIG_HOME the same in the user manager? systemctl --user show-environment',
    );
  if (state.UnitFileState !== 'enabled' || state.ActiveState !== 'active')
    await told('enable', '--now', TIMER);
  else if (report.written.some(file => file.endsWith(TIMER))) await told('restart', TIMER);
  report.linger = await askLinger(context);
  if (report.linger !== true)
    report.notes.push(
      report.linger === false
        ? `without lingering the timer stops when you log out: ${LINGER}`
        : `whether the timer goes on after logout, logind does not say; to make sure: ${LINGER}`,
    );
}

async function startLaunchd(context: Context, report: InstallReport): Promise<void> {
  const target = `${domain(context)}/${LABEL}`;
  const { plist } = unitPaths(context);
  const loaded = (await launchctl(context, 'print', target)).status === 0;
  if (loaded && report.written.length === 0) return;
  if (loaded) await launchctl(context, 'bootout', target);
  // One that was disabled some day could not be loaded.
  await launchctl(context, 'enable', target);
  let answer = await launchctl(context, 'bootstrap', domain(context), plist);
  // bootout returns before the job is gone, and until then launchd answers "Input/output error".
  for (let tries = 0; loaded && answer.status !== 0 && tries < 20; tries++) {
    await delay(500);
    answer = await launchctl(context, 'bootstrap', domain(context), plist);
  }
  if (answer.status !== 0)
    throw failed(
      `${plist} is in place, but launchctl bootstrap`,
      answer,
      'log in on the screen once, then: claw timer install',
    );
  report.started = true;
}

async function installCron(context: Context, report: InstallReport, force: boolean): Promise<void> {
  checkCommand(report.facts);
  const table = await readCrontab(context);
  const block = table === null ? null : findBlock(table, sha256);
  if (block?.state === 'edited' && !force) throw notOurs('the block of claw timer in your crontab');
  const wanted = putBlock(table, report.facts, sha256);
  if (wanted === table) {
    report.unchanged.push(CRONTAB);
    return;
  }
  if (block?.state === 'edited') report.notes.push(`the block said before:\n${block.text}`);
  await writeCrontab(context, wanted);
  report.written.push(CRONTAB);
  report.started = true;
}

// Taking it away

export interface UninstallReport {
  removed: string[];
  /** what install did not write, or somebody has edited since */
  left: string[];
  notes: string[];
}

/** Stops the timer and removes exactly what install made. A tick that runs is left to end. */
export async function uninstallTimer(context: Context): Promise<UninstallReport> {
  const report: UninstallReport = { removed: [], left: [], notes: [] };
  const paths = unitPaths(context);
  const units = [paths.timer, paths.hardened, paths.service].map(findUnit);
  const plist = findUnit(paths.plist);
  if (units.some(unit => unit.state === 'ours')) await stopSystemd(context, units, report);
  if (plist.state === 'ours') {
    const answer = await launchctl(context, 'bootout', `${domain(context)}/${LABEL}`);
    // 3: no such job, 113: no such service; then there is nothing to stop.
    if (answer.status !== 0 && ![3, 113].includes(answer.status ?? -1))
      report.notes.push(`launchctl bootout: ${answer.stderr || `exit status ${answer.status}`}`);
  }
  for (const unit of [...units, plist]) {
    if (unit.state === 'ours') {
      removeUnit(unit.path);
      report.removed.push(unit.path);
    } else if (unit.state !== 'missing') report.left.push(unit.path);
  }
  if (report.removed.some(file => file !== paths.plist)) await systemctl(context, 'daemon-reload');
  await uninstallCron(context, report);
  return report;
}

async function stopSystemd(context: Context, units: FoundUnit[], report: UninstallReport): Promise<void> {
  // A timer that install never made is its maker's to stop.
  if (units[0]!.state === 'foreign') return;
  const answer = await systemctl(context, 'disable', '--now', TIMER);
  if (answer.status !== 0)
    report.notes.push(
      `systemctl --user disable --now ${TIMER}: ${answer.stderr || `exit status ${answer.status}`}`,
    );
  // The time of its last run, which Persistent= keeps on disk.
  await systemctl(context, 'clean', '--what=state', TIMER);
}

async function uninstallCron(context: Context, report: UninstallReport): Promise<void> {
  const table = await readCrontab(context).catch(error => {
    if (!(error instanceof ClawError)) throw error;
    report.notes.push(error.message);
    return null;
  });
  const block = table === null ? null : findBlock(table, sha256);
  if (!block) return;
  if (block.state === 'edited') {
    report.left.push('the block of claw timer in your crontab');
    return;
  }
  await writeCrontab(context, takeBlock(table!, block));
  report.removed.push(CRONTAB);
}

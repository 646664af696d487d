/** systemd's units, filled in. The repository's units are the text; only the lines that name paths are replaced. */
import type { TimerFacts } from './marker.ts';

const PLAIN = /^[A-Za-z0-9_/.:@+,=-]+$/;

/** One word of a value that systemd splits and unquotes (systemd.syntax(7)); `%` begins a specifier there. */
export function unitWord(word: string): string {
  const doubled = word.replaceAll('%', '%%');
  return PLAIN.test(word) ? word : `"${doubled.replace(/[\\"]/g, '\\$&')}"`;
}

/** An argument of `ExecStart=`, where `$` begins a variable besides. */
export function execWord(word: string): string {
  return unitWord(word).replaceAll('$', '$$$$');
}

/**
 * The command line of a tick for `ExecStart=`. systemd takes no program whose path holds a quote or a backslash, however it is
 * escaped; such a one is started by the shell. The path of a program is not searched for variables.
 */
export function execStart(facts: TimerFacts): string {
  const args = [facts.script, 'tick', ...(facts.config === null ? [] : ['--config', facts.config])];
  if (!/['"\\]/.test(facts.node)) return [unitWord(facts.node), ...args.map(execWord)].join(' ');
  return ['/bin/sh', '-c', 'exec "$0" "$@"', facts.node, ...args].map(execWord).join(' ');
}

/** Environment of a tick, the same on every system. */
export function timerEnvironment(facts: TimerFacts): [name: string, value: string][] {
  return [
    ['PATH', facts.path],
    ['CLAW_HOME', facts.home],
    ...(facts.zone === null ? [] : [['TZ', facts.zone] as [string, string]]),
  ];
}

/** @param template `systemd/claw-tick.service` */
export function fillService(template: string, facts: TimerFacts): string {
  const environment = timerEnvironment(facts)
    .map(([name, value]) => `Environment=${unitWord(`${name}=${value}`)}`)
    .join('\n');
  const started = replaceLine(template, /^ExecStart=.*$/m, `ExecStart=${execStart(facts)}`);
  return replaceLine(started, /^Environment=PATH=.*$/m, environment);
}

/**
 * @param template `systemd/hardened.conf`
 * @param userHome the user's home directory, which `%h` stands for; a `$CLAW_HOME` elsewhere is made writable too
 */
export function fillHardened(template: string, facts: TimerFacts, userHome: string): string {
  if (facts.home === userHome || facts.home.startsWith(`${userHome.replace(/\/$/, '')}/`)) return template;
  return replaceLine(template, /^ReadWritePaths=.*$/m, line => `${line} ${unitWord(`-${facts.home}`)}`);
}

function replaceLine(text: string, pattern: RegExp, by: string | ((line: string) => string)): string {
  if (!pattern.test(text)) throw new Error(`the unit has no line ${pattern.source}`);
  return text.replace(pattern, line => (typeof by === 'string' ? by : by(line)));
}

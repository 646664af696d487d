/** What systemctl, launchctl and crontab say, read. Asked with LC_ALL=C and TZ=UTC. */

/** `Name=value` lines of `systemctl show`. */
export function readProperties(text: string): Record<string, string> {
  const entries = text
    .split('\n')
    .map(line => [line.indexOf('='), line] as const)
    .filter(([at]) => at > 0)
    .map(([at, line]) => [line.slice(0, at), line.slice(at + 1)] as const);
  return Object.fromEntries(entries);
}

/** epoch ms of `Sat 2026-11-21 16:00:00 UTC`; null for `n/a`, nothing, or another form. */
export function readTimestamp(text: string | undefined): number | null {
  const [, day, time] = /(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.\d+)? UTC$/.exec(text ?? '') ?? [];
  return day === undefined ? null : Date.parse(`${day}T${time}Z`);
}

/** The first `name = value` of `launchctl print`, e.g. its `state`; null when it says nothing of it. */
export function readLaunchd(text: string, name: string): string | null {
  const line = text.split('\n').find(each => each.trim().startsWith(`${name} = `));
  return line?.trim().slice(name.length + 3) ?? null;
}

/** `crontab -l` fails for a user without a table; every other failure must not be taken for an empty table. */
export function saysNoCrontab(stderr: string): boolean {
  return /no crontab (?:for|entries)|can't open .*: No such file or directory/i.test(stderr);
}

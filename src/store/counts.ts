/**
 * How often an agent did something in a day, as the size of a file: `counts/<agent>/<what>-<day>-<towards>`, one byte
 * each. Counting is one append, which several processes can do at once. It outlives every process; only a power cut may
 * forget the last ones.
 */
import fs from 'node:fs';
import path from 'node:path';
import { listNames, makeFolder } from './json-file.ts';
import type { Layout } from './layout.ts';

/**
 * Counts one more, unless there were that many already. Of several processes at the limit none may get through that is one
 * too many; at worst one fewer does.
 *
 * @param towards the agent it was done to: each has a count of its own
 * @param day `2026-11-21`; what was counted on other days is forgotten
 * @returns false when the day had `most` before
 */
export function countOnce(
  layout: Layout,
  agentId: string,
  what: 'sends',
  { towards, day, most }: { towards: string; day: string; most: number },
): boolean {
  const folder = layout.counts(agentId);
  const ofDay = `${what}-${day}-`;
  const file = path.join(folder, `${ofDay}${towards}`);
  const before = fs.statSync(file, { throwIfNoEntry: false })?.size;
  if ((before ?? 0) >= most) return false;
  makeFolder(folder);
  const fd = fs.openSync(file, 'a', 0o600);
  try {
    fs.writeSync(fd, '.');
    if (fs.fstatSync(fd).size > most) return false;
  } finally {
    fs.closeSync(fd);
  }
  if (before === undefined) dropOthers(folder, what, ofDay);
  return true;
}

function dropOthers(folder: string, what: string, ofDay: string): void {
  for (const name of listNames(folder))
    if (name.startsWith(`${what}-`) && !name.startsWith(ofDay))
      fs.rmSync(path.join(folder, name), { force: true });
}

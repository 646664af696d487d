/** Notes of a day, `memory/YYYY-MM-DD.md` in a workspace. They are only ever appended to, by one write each. */
import fs from 'node:fs';
import path from 'node:path';
import { localTimeAt, type Zone } from '../core/schedule/zone.ts';
import { makeFolder } from './json-file.ts';

/**
 * Appends a note to the file of the day it is in the zone (openclaw#17624), which is made where it is not there.
 * Notes of two writers both stay (openclaw#38574).
 *
 * @param now epoch ms
 * @returns path of the file
 */
export function appendDayNote(workspace: string, zone: Zone, text: string, now: number): string {
  const { year, month, day, hour, minute } = localTimeAt(zone, now);
  const two = (value: number) => String(value).padStart(2, '0');
  const folder = path.join(workspace, 'memory');
  makeFolder(folder);
  const file = path.join(folder, `${year}-${two(month)}-${two(day)}.md`);
  const fd = fs.openSync(file, 'a', 0o600);
  try {
    const before = fs.fstatSync(fd).size === 0 ? '' : '\n';
    fs.writeSync(fd, `${before}## ${two(hour)}:${two(minute)}\n\n${text.trim()}\n`);
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
  return file;
}

/** Days and times of an export, on the clocks of one zone. */
import { dayOf, type LocalTime, localTimeAt, type Zone } from '../schedule/zone.ts';

const WEEKDAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** `Saturday, 2026-11-21`. */
export function dayName(zone: Zone, at: number): string {
  const local = localTimeAt(zone, at);
  return `${WEEKDAYS[weekday(local)]}, ${dayOf(local)}`;
}

/** `14:05`. */
export function clockOf(zone: Zone, at: number): string {
  const { hour, minute } = localTimeAt(zone, at);
  return `${two(hour)}:${two(minute)}`;
}

/** `2026-11-21 14:05`. */
export function dateTimeOf(zone: Zone, at: number): string {
  return `${dayOf(localTimeAt(zone, at))} ${clockOf(zone, at)}`;
}

function weekday({ year, month, day }: LocalTime): number {
  return new Date(Date.UTC(year, month - 1, day)).getUTCDay();
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

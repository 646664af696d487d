/** What is said of a run: in its record, to the main session, to whoever is to hear of trouble. */
import type { RunEnding } from './due.ts';
import type { Job } from './job.ts';

const SUMMARY = 2000;
const FULL = 8000;

/** Text for a record, clipped. */
export function summaryOf(text: string): string {
  return clip(text.trim(), SUMMARY);
}

/** What the agent of an isolated run is asked: marked, so that it (and whoever reads along) knows nobody typed it. */
export function jobPrompt({ id, name }: Pick<Job, 'id' | 'name'>, message: string, found: string): string {
  const said = found.trim();
  const beside = said === '' ? '' : `\n\nThe check before this run printed:\n${said}`;
  return `[cron:${id} ${name}] ${message}${beside}`;
}

/**
 * What the main session hears of a run that was not its own; null where it is to hear nothing.
 *
 * @param text all that the run said
 */
export function eventOf(
  { isolation }: Pick<Job, 'isolation'>,
  ending: Pick<RunEnding, 'status' | 'reason' | 'error' | 'summary'>,
  text = '',
): string | null {
  const { postToMainMode: mode = 'summary', postToMainPrefix, postToMainMaxChars } = isolation ?? {};
  if (mode === 'none') return null;
  const { status, error, summary } = ending;
  const prefix = postToMainPrefix?.trim() || 'Cron';
  const head = status === 'ok' ? prefix : `${prefix} (${status})`;
  const said = mode === 'full' ? clip(text.trim(), postToMainMaxChars ?? FULL) : '';
  return `${head}: ${said || summary?.trim() || error?.message || status}`;
}

/** What somebody is told when a job keeps failing, is switched off, or works again. */
export function alertOf(
  { id, name }: Pick<Job, 'id' | 'name'>,
  kind: 'failing' | 'disabled' | 'recovered',
  failures: number,
  error: string,
): string {
  const job = `Job "${name}" (${id})`;
  if (kind === 'recovered') return `${job} works again.`;
  const times = failures <= 1 ? 'has failed' : `has failed ${failures} times in a row`;
  const off = kind === 'disabled' ? ` It is disabled now; to go on: claw cron enable ${id}` : '';
  return `${job} ${times}: ${error}.${off || ` See: claw cron runs ${id}`}`.replace('..', '.');
}

function clip(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

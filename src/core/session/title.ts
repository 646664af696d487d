/** What a session is called in lists: names people gave, else how it began. */

/** Longest title made of a message, in characters. */
const LONGEST_TITLE = 60;
/** Longest label a person may give. */
export const LONGEST_LABEL = 64;

export interface TitleSource {
  sessionId: string;
  /** epoch ms */
  updatedAt?: number | undefined;
  label?: string | undefined;
  /** name of the group, or of the person */
  displayName?: string | undefined;
  firstUserMessage?: string | null | undefined;
}

/**
 * A title: label, display name, the beginning of the first message (cut at a word), else the id's first eight characters
 * with the (UTC) day of its last activity.
 */
export function titleOf(source: TitleSource): string {
  const { sessionId, updatedAt, label, displayName, firstUserMessage } = source;
  const given = [label, displayName].map(name => name?.trim()).find(Boolean);
  if (given) return given;
  const text = (firstUserMessage ?? '').replace(/\s+/g, ' ').trim();
  if (text !== '') return shorten(text);
  const day =
    updatedAt !== undefined && Number.isFinite(updatedAt)
      ? ` (${new Date(updatedAt).toISOString().slice(0, 10)})`
      : '';
  return `${sessionId.slice(0, 8)}${day}`;
}

function shorten(text: string): string {
  const characters = [...text];
  if (characters.length <= LONGEST_TITLE) return text;
  const cut = characters.slice(0, LONGEST_TITLE - 1).join('');
  const blank = cut.lastIndexOf(' ');
  return `${(blank > cut.length * 0.6 ? cut.slice(0, blank) : cut).trimEnd()}…`;
}

export type LabelRead = { ok: true; label: string } | { ok: false; problem: string };

/** A label as a person typed it: trimmed, not empty, at most 64 characters. That no two sessions share one is the caller's care. */
export function readLabel(input: unknown): LabelRead {
  if (typeof input !== 'string') return { ok: false, problem: 'a label is text' };
  const label = input.trim();
  if (label === '') return { ok: false, problem: 'a label is not empty' };
  const length = [...label].length;
  return length > LONGEST_LABEL
    ? { ok: false, problem: `a label has at most ${LONGEST_LABEL} characters, this one ${length}` }
    : { ok: true, label };
}

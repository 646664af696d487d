/**
 * Notes of an agent's memory: what in a Markdown file counts as one, and how one is written. A note is a paragraph or a
 * list item, told with the heading above it.
 */
import { dayOf, type LocalTime } from '../schedule/zone.ts';

/** A note and where it stands in its file. */
export interface Note {
  /** its first line, from 1 */
  line: number;
  /** bytes from the beginning of that line to the end of its last one */
  offset: number;
  length: number;
  /** the heading's line, in bytes; length 0: there is none */
  headingOffset: number;
  headingLength: number;
  /** on one line, behind its heading and a colon */
  text: string;
  /** the day it begins with */
  day?: string;
}

const NEWLINE = 10;
const ITEM = /^\s*(?:[-*+]|\d+[.)])\s+/;
const HEADING = /^#{1,6}\s+(.*)$/;
/** Rules, table borders and their like say nothing. */
const SAYS_NOTHING = /^[-=*_+|:~`.\s]*$/;

/** The notes of a file, in order. Bytes that are no UTF-8 become U+FFFD; what is around them is still found. */
export function parseNotes(bytes: Uint8Array): Note[] {
  const decoder = new TextDecoder();
  const notes: Note[] = [];
  let heading = { offset: 0, length: 0, text: '' };
  let lines: string[] = [];
  let place = { line: 0, offset: 0, end: 0 };
  // Where an item was written over several paragraphs, the later ones are indented.
  let isItem = false;
  let hasGap = false;
  const finish = () => {
    const text = lines.join(' ').trim();
    lines = [];
    isItem = false;
    hasGap = false;
    if (SAYS_NOTHING.test(text)) return;
    const { line, offset, end } = place;
    const day = dayIn(text);
    notes.push({
      line,
      offset,
      length: end - offset,
      headingOffset: heading.offset,
      headingLength: heading.length,
      text: heading.text === '' ? text : `${heading.text}: ${text}`,
      ...(day === undefined ? {} : { day }),
    });
  };
  let number = 0;
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    const line = decoder.decode(bytes.subarray(start, end)).replace(/\r$/, '');
    number++;
    const title = HEADING.exec(line);
    const item = title ? null : ITEM.exec(line);
    const isBlank = line.trim() === '';
    if (title) {
      finish();
      heading = { offset: start, length: end - start, text: title[1]!.trim() };
    } else if (isBlank) {
      if (isItem) hasGap = true;
      else finish();
    } else {
      if (item || (hasGap && !/^(?: {2}|\t)/.test(line))) finish();
      if (lines.length === 0) {
        place = { line: number, offset: start, end };
        isItem = item !== null;
      }
      place.end = end;
      lines.push(line.slice(item ? item[0].length : 0).trim());
    }
    start = end + 1;
  }
  finish();
  return notes;
}

/**
 * A text as one list item: dated by the day, or, in the file of a day, by the hour. Its further lines are indented, so
 * that none of them is a heading or ends the item.
 *
 * @param from named where the note was not taken in the private session
 */
export function noteItem(text: string, at: LocalTime, isDaily: boolean, from?: string): string {
  const clock = `${two(at.hour)}:${two(at.minute)}`;
  const date = isDaily ? clock : `${dayOf(at)} ${clock}`;
  const lines = text.replace(/\r\n?/g, '\n').trim().split('\n');
  const body = lines.map((line, index) => (index === 0 || line.trim() === '' ? line.trimEnd() : `  ${line}`));
  return `- ${date}${from === undefined ? '' : ` [${from}]`} ${body.join('\n')}\n`;
}

/** The day that a note or the name of a file begins with. */
export function dayIn(text: string): string | undefined {
  const day = /^(\d{4}-\d{2}-\d{2})(?!\d)/.exec(text)?.[1];
  return day !== undefined && !Number.isNaN(Date.parse(`${day}T12:00:00Z`)) ? day : undefined;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

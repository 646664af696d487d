/** A session as Markdown, piece by piece: each function gives the text of one part, ready to be appended. */
import type { Zone } from '../schedule/zone.ts';
import { clockOf, dayName } from './day.ts';
import { type Counts, factRows, type Item, type SessionFacts, speakerOf } from './item.ts';

/** Title and facts. */
export function markdownHead(facts: SessionFacts, counts: Counts, zone: Zone): string {
  const title = plain(facts.sessionKey ?? facts.sessionId);
  const list = factRows(facts, counts, zone).map(([name, value]) => `- ${name}: ${plain(value)}\n`);
  return `# ${title}\n\n${list.join('')}`;
}

/** The heading of a day. */
export function markdownDay(at: number, zone: Zone): string {
  return `\n## ${dayName(zone, at)}\n`;
}

/** One item, behind a blank line. What was said is quoted, so that nothing in it can pass for a part of this document. */
export function markdownItem(item: Item, agentId: string, zone: Zone): string {
  const time = item.at === null ? '' : ` · ${clockOf(zone, item.at)}`;
  if (item.kind === 'said') {
    const { saying, recorded } = item;
    const note = `${recorded ? ' · not answered' : ''}${item.model ? ` · ${plain(item.model)}` : ''}`;
    const head = `\n**${plain(speakerOf(saying, agentId))}**${time}${note}\n\n`;
    if (saying.reply === null) return `${head}${quoted(saying.text)}`;
    return `${head}${quoted(saying.text)}\n→\n\n${quoted(saying.reply)}`;
  }
  if (item.kind === 'aside') return folded(`${item.title}${time}`, item.text);
  const line = `*${plain(item.text)}${time}*\n`;
  const detail = item.detail === null ? '' : folded('details', item.detail);
  return item.mark === 'begin' || item.mark === 'failed' || item.mark === 'unreadable'
    ? `\n${line}${detail}`
    : `\n---\n\n${line}${detail}\n---\n`;
}

/** A text that stays folded until somebody wants to see it, as it is. */
function folded(title: string, text: string): string {
  let longest = 0;
  for (const [run] of text.matchAll(/`{3,}/g)) longest = Math.max(longest, run.length);
  const fence = '`'.repeat(Math.max(3, longest + 1));
  return `\n<details><summary>${plain(title)}</summary>\n\n${fence}\n${visible(text)}\n${fence}\n\n</details>\n`;
}

/** A quote. Markdown in it stays Markdown; raw HTML becomes text, but in fenced code, which shows it anyway. */
function quoted(text: string): string {
  let fence: string | null = null;
  const lines = visible(text)
    .split('\n')
    .map(line => {
      const mark: string | undefined = /^ {0,3}(`{3,}|~{3,})/.exec(line)?.[1];
      if (fence !== null) {
        if (mark?.startsWith(fence) && line.trim() === mark) fence = null;
        return `> ${line}`;
      }
      if (mark !== undefined && !(mark.startsWith('`') && line.trim().slice(mark.length).includes('`'))) {
        fence = mark;
        return `> ${line}`;
      }
      return `> ${line.replace(/<(?=[A-Za-z/!?])/g, '\\<')}`;
    });
  return `${lines.join('\n')}\n`;
}

/** A text on one line in which nothing is markup. */
function plain(text: string): string {
  return visible(text)
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]<>#|~]/g, '\\$&');
}

/** Control characters, and those that reverse the direction of text, are shown and not obeyed. */
function visible(text: string): string {
  return text
    .replace(/\r\n?/g, '\n')
    .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, character => {
      const code = character.charCodeAt(0);
      if (code < 32) return String.fromCharCode(0x2400 + code);
      return code === 127 ? '␡' : `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
    });
}

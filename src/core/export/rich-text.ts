/**
 * Text as HTML that can do nothing: everything is escaped, and of Markdown only what a chat needs is rendered. Every
 * loop looks only a bounded way ahead, so that no text, however odd, takes more than linear time.
 */

/** Longest text of a link, and longest address, that are looked for. */
const LINK_TEXT = 300;
const LINK_ADDRESS = 2000;

/**
 * A text for HTML, between tags or in a quoted attribute. Control characters and those that reverse the direction of
 * text (CVE-2021-42574) are shown by name.
 */
export function escapeHtml(text: string): string {
  return text.replace(
    /[&<>"'\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069\ufffe\uffff]/g,
    named,
  );
}

function named(character: string): string {
  switch (character) {
    case '&':
      return '&amp;';
    case '<':
      return '&lt;';
    case '>':
      return '&gt;';
    case '"':
      return '&quot;';
    case "'":
      return '&#39;';
    case '\r':
      return '';
  }
  const code = character.charCodeAt(0);
  if (code < 32) return String.fromCharCode(0x2400 + code);
  return code === 127 ? '␡' : `[U+${code.toString(16).toUpperCase().padStart(4, '0')}]`;
}

/** Markdown as HTML: paragraphs, headings (as bold lines), lists, quotes, fenced code, and what `inlineHtml` knows. */
export function richHtml(markdown: string): string {
  const lines = markdown.replace(/\r\n?/g, '\n').split('\n');
  const html: string[] = [];
  let paragraph: string[] = [];
  let list: { tag: 'ul' | 'ol'; items: string[] } | null = null;
  const flush = () => {
    if (paragraph.length > 0) html.push(`<p>${paragraph.map(inlineHtml).join('<br>\n')}</p>`);
    paragraph = [];
    if (list !== null) {
      const items = list.items.map(item => `<li>${item.split('\n').map(inlineHtml).join('<br>\n')}</li>`);
      html.push(`<${list.tag}>${items.join('')}</${list.tag}>`);
    }
    list = null;
  };
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]!;
    const fence = /^\s{0,3}(?:(`{3,})[^`]*$|(~{3,}))/.exec(line)?.slice(1).find(Boolean);
    if (fence !== undefined) {
      flush();
      const code: string[] = [];
      const isEnd = (each: string) => each.trim().startsWith(fence) && /^(`+|~+)$/.test(each.trim());
      while (++index < lines.length && !isEnd(lines[index]!)) code.push(lines[index]!);
      html.push(`<pre dir="ltr"><code>${escapeHtml(code.join('\n'))}</code></pre>`);
      continue;
    }
    const heading = /^#{1,6}\s+([\s\S]*)$/.exec(line)?.[1];
    const bullet = /^\s{0,8}(?:([-*+])|\d{1,9}[.)])\s+([\s\S]*)$/.exec(line);
    const quote = /^\s{0,3}>\s?([\s\S]*)$/.exec(line)?.[1];
    if (line.trim() === '') {
      // A blank line between two items does not end their list.
      const next = lines[index + 1] ?? '';
      if (list === null || !/^\s{0,8}(?:[-*+]|\d{1,9}[.)])\s/.test(next)) flush();
    } else if (heading !== undefined) {
      flush();
      html.push(`<p class="h">${inlineHtml(heading)}</p>`);
    } else if (bullet !== null) {
      const tag = bullet[1] === undefined ? 'ol' : 'ul';
      if ((list as { tag: string } | null)?.tag !== tag) flush();
      list ??= { tag, items: [] };
      list.items.push(bullet[2]!);
    } else if (quote !== undefined) {
      flush();
      html.push(`<blockquote>${inlineHtml(quote)}</blockquote>`);
    } else if (list !== null && /^\s{2,}/.test(line)) {
      list.items[list.items.length - 1] += `\n${line.trim()}`;
    } else {
      if (list !== null) flush();
      paragraph.push(line);
    }
  }
  flush();
  return html.join('\n').replaceAll('</blockquote>\n<blockquote>', '<br>\n');
}

/** One line: inline code, bold, links with http or https, bare addresses. */
export function inlineHtml(line: string): string {
  let html = '';
  let plain = 0;
  let bold = false;
  // Once nothing closes a mark it need not be looked for again.
  const unclosed = new Set<string>();
  const push = (to: number) => {
    html += escapeHtml(line.slice(plain, to));
  };
  for (let at = 0; at < line.length; ) {
    const character = line[at]!;
    if (character === '`') {
      const run = runLength(line, at);
      const mark = '`'.repeat(Math.min(run, 8));
      const end = run > 8 || unclosed.has(mark) ? -1 : closing(line, at + run, mark);
      if (end < 0) {
        if (run <= 8) unclosed.add(mark);
        at += run;
        continue;
      }
      push(at);
      html += `<code>${escapeHtml(line.slice(at + run, end).trim())}</code>`;
      plain = at = end + run;
    } else if (character === '*' && line.startsWith('**', at)) {
      const opens = !bold && /\S/.test(line[at + 2] ?? ' ') && line[at + 2] !== '*';
      if (!bold && (!opens || unclosed.has('**') || line.indexOf('**', at + 3) < 0)) {
        if (opens) unclosed.add('**');
        at += 2;
        continue;
      }
      push(at);
      html += bold ? '</strong>' : '<strong>';
      bold = !bold;
      plain = at = at + 2;
    } else if (character === '[') {
      const link =
        /^\[([^[\]\n]{1,300})\]\((https?:\/\/[^\s()<>"]{1,1990}(?:\([^\s()<>"]{0,200}\)[^\s()<>"]{0,200})?)\)/i.exec(
          line.slice(at, at + LINK_TEXT + LINK_ADDRESS + 500),
        );
      if (link === null) {
        at++;
        continue;
      }
      push(at);
      html += anchor(link[2]!, link[1]!);
      plain = at = at + link[0].length;
    } else if ((character === 'h' || character === 'H') && !/[A-Za-z0-9]/.test(line[at - 1] ?? ' ')) {
      const address = /^https?:\/\/[^\s<>"'`*]{1,2000}/i.exec(line.slice(at, at + LINK_ADDRESS))?.[0];
      if (address === undefined) {
        at++;
        continue;
      }
      // What ends a sentence is not part of the address.
      const trimmed = trimAddress(address);
      push(at);
      html += anchor(trimmed, trimmed);
      plain = at = at + trimmed.length;
    } else at++;
  }
  push(line.length);
  return bold ? `${html}</strong>` : html;
}

function anchor(address: string, text: string): string {
  // An address with characters that are shown by name would not lead where it says.
  if (/[\u0000-\u0020\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(address))
    return escapeHtml(text);
  return `<a href="${escapeHtml(address)}" rel="noopener noreferrer nofollow">${escapeHtml(text)}</a>`;
}

function trimAddress(address: string): string {
  let end = address.length;
  while (end > 8 && /[.,;:!?)\]}]/.test(address[end - 1]!)) {
    // A bracket that was opened in the address belongs to it.
    if (address[end - 1] === ')' && address.slice(0, end).includes('(')) break;
    end--;
  }
  return address.slice(0, end);
}

function runLength(line: string, at: number): number {
  let end = at;
  while (line[end] === '`') end++;
  return end - at;
}

/** Where a run of exactly these backticks begins; -1 when none does. */
function closing(line: string, from: number, mark: string): number {
  for (let at = line.indexOf(mark, from); at >= 0; ) {
    const run = runLength(line, at);
    if (run === mark.length) return at;
    at = line.indexOf(mark, at + run);
  }
  return -1;
}

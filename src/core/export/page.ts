/**
 * A session as one HTML page, piece by piece. It loads nothing and runs nothing, and says so to the browser by a
 * policy of its own, so that even a mistake in the escaping could not.
 */
import type { Zone } from '../schedule/zone.ts';
import { clockOf, dateTimeOf, dayName } from './day.ts';
import { type Counts, factRows, type Item, type SessionFacts, speakerOf } from './item.ts';
import { escapeHtml, richHtml } from './rich-text.ts';

const STYLE = `
:root{color-scheme:light dark;--bg:#f6f6f4;--fg:#1d1d1f;--dim:#6a6a70;--line:#dcdcd8;--user:#dcebff;--agent:#fff;--code:#f0efec;--bad:#b3261e;--link:#0b57d0}
@media(prefers-color-scheme:dark){:root{--bg:#161618;--fg:#e8e8ea;--dim:#9b9ba3;--line:#34343a;--user:#1c3a5e;--agent:#232327;--code:#2c2c32;--bad:#ff8a80;--link:#8ab4f8}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:52rem;padding:1.5rem 1rem 4rem;background:var(--bg);color:var(--fg);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif;overflow-wrap:anywhere}
header{border-bottom:1px solid var(--line);margin-bottom:1rem;padding-bottom:1rem}
h1{font-size:1.25rem;margin:0 0 .5rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0;font-size:.875rem}
dt{color:var(--dim)}dd{margin:0}
h2{font-size:.8rem;font-weight:600;color:var(--dim);text-align:center;margin:2rem 0 1rem;display:flex;gap:1rem;align-items:center}
h2::before,h2::after{content:"";flex:1;border-top:1px solid var(--line)}
article{max-width:88%;width:fit-content;margin:.6rem 0;padding:.5rem .8rem;border-radius:.9rem;background:var(--agent);border:1px solid var(--line)}
article.user,article.command{margin-inline-start:auto;background:var(--user);border-color:transparent}
article.recorded{opacity:.75}
.who{font-size:.75rem;color:var(--dim);margin-bottom:.15rem}
.who b{color:var(--fg)}
.text>:first-child{margin-top:0}.text>:last-child{margin-bottom:0}
.plain{white-space:pre-wrap}
p,ul,ol,blockquote,pre{margin:.5rem 0}
.h{font-weight:700}
ul,ol{padding-inline-start:1.5rem}
blockquote{border-inline-start:3px solid var(--line);padding-inline-start:.7rem;color:var(--dim)}
code,pre{font:.875em/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--code);border-radius:.3rem}
code{padding:.1em .3em}
pre{padding:.6rem .8rem;overflow-x:auto;white-space:pre-wrap}
pre code{padding:0;background:none;font-size:1em}
a{color:var(--link)}
.event{text-align:center;font-size:.8rem;color:var(--dim);margin:1rem 0}
.event.failed,.event.unreadable{color:var(--bad)}
.event.reset,.event.compact{border-block:1px dashed var(--line);padding:.4rem}
.answer{border-top:1px solid var(--line);margin-top:.4rem;padding-top:.4rem}
details{font-size:.8rem;color:var(--dim);margin:.4rem 0;text-align:start}
summary{cursor:pointer}
footer{border-top:1px solid var(--line);margin-top:2rem;padding-top:.5rem;font-size:.75rem;color:var(--dim)}
@media print{:root{--bg:#fff;--fg:#000;--user:#eef;--agent:#fff;--code:#f4f4f4;--line:#bbb;--dim:#444}body{max-width:none;padding:0;font-size:11pt}article{break-inside:avoid-page;max-width:100%}pre{overflow:visible}}
`;

/** Everything up to the first message. */
export function pageHead(facts: SessionFacts, counts: Counts, zone: Zone): string {
  const title = escapeHtml(facts.sessionKey ?? facts.sessionId);
  const list = factRows(facts, counts, zone).map(
    ([name, value]) => `<dt>${name}</dt><dd><bdi>${escapeHtml(value)}</bdi></dd>`,
  );
  return `<!DOCTYPE html>
<html lang="und">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="claw">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1><bdi>${title}</bdi></h1>
<dl>${list.join('')}</dl></header>
<main>
`;
}

/** The line between two days. */
export function pageDay(at: number, zone: Zone): string {
  return `<h2><span>${escapeHtml(dayName(zone, at))}</span></h2>\n`;
}

/** One message, event or aside. */
export function pageItem(item: Item, agentId: string, zone: Zone): string {
  const time =
    item.at === null
      ? ''
      : ` <time datetime="${new Date(item.at).toISOString()}">${clockOf(zone, item.at)}</time>`;
  if (item.kind === 'aside') return folded(`${item.title}`, item.text, time);
  if (item.kind === 'event') {
    const detail = item.detail === null ? '' : folded('details', item.detail, '');
    return `<div class="event ${item.mark}" role="note"><bdi>${escapeHtml(item.text)}</bdi>${time}${detail}</div>\n`;
  }
  const { saying, model, recorded } = item;
  const notes = [recorded ? 'not answered' : null, model].filter(note => note !== null);
  const about = notes.length > 0 ? ` · <bdi>${escapeHtml(notes.join(' · '))}</bdi>` : '';
  const who = `<div class="who"><b><bdi>${escapeHtml(speakerOf(saying, agentId))}</bdi></b>${time}${about}</div>`;
  const text =
    saying.role === 'assistant'
      ? `<div class="text" dir="auto">${richHtml(saying.text)}</div>`
      : `<div class="plain" dir="auto">${escapeHtml(saying.text)}</div>`;
  const answer =
    saying.reply === null ? '' : `<div class="plain answer" dir="auto">${escapeHtml(saying.reply)}</div>`;
  return `<article class="${saying.role}${recorded ? ' recorded' : ''}">${who}${text}${answer}</article>\n`;
}

/** What closes the page. */
export function pageFoot(exportedAt: number, facts: SessionFacts, zone: Zone): string {
  return `</main>
<footer>Exported by claw on ${escapeHtml(dateTimeOf(zone, exportedAt))} (${escapeHtml(facts.zone)})</footer>
</body>
</html>
`;
}

function folded(title: string, text: string, time: string): string {
  return `<details><summary><bdi>${escapeHtml(title)}</bdi>${time}</summary><pre dir="auto">${escapeHtml(text)}</pre></details>\n`;
}

/**
 * What must hold of compactions and notes in any home: a `compact` line is whole, its record points behind it, answers were
 * made from the summary and what it keeps or from all of it, and a note stands whole, once, beside the line that says so.
 */
import fs from 'node:fs';
import path from 'node:path';
import type { Transcript } from './check.ts';
import { names, type Place, parse } from './lab.ts';

type Json = any;

/** What must hold of compactions in any home. */
export function checkCompactions(place: Place, transcripts: Transcript[], mayLag: boolean): string[] {
  return [
    ...transcripts.flatMap(transcript => checkLines(transcript)),
    ...transcripts.flatMap(transcript => checkGiven(place, transcript)),
    ...checkCount(place.home, transcripts, mayLag),
    ...checkNotes(
      place,
      transcripts.flatMap(({ entries }) => entries),
    ),
  ];
}

/** A `compact` line is whole and fits what stands before it; between two there is at most one saving of memory. */
function checkLines({ name, entries }: Transcript): string[] {
  const problems: string[] = [];
  let savings = 0;
  let spoken = true;
  entries.forEach((entry, at) => {
    if (entry.type === 'turn_end' || entry.type === 'command') spoken = true;
    // That what was announced could not be written is no second one.
    const isSaving = entry.type === 'memory_flush' && !hasFailed(entries[at - 1], entry);
    if (isSaving && ++savings > 1)
      problems.push(`${name}: memory was saved ${savings} times before one compaction`);
    if (entry.type !== 'compact') return;
    const where = `${name}:${at + 1}: a compact line`;
    const before = entries.slice(0, at).filter(isQuestion);
    const kept = before.findIndex(user => user.id === entry.keptFrom);
    const removed = before.slice(0, kept).length - removedBefore(entries.slice(0, at));
    if (kept < 0) problems.push(`${where} keeps from ${entry.keptFrom}, which is not there`);
    else if (entry.turns_removed !== removed)
      problems.push(`${where} has removed ${entry.turns_removed} turns, but ${removed} stand before`);
    if (entry.tokensAfter >= entry.tokensBefore)
      problems.push(`${where} made ${entry.tokensBefore} tokens ${entry.tokensAfter}`);
    if (!/^what was said, in short, by \d+-\d+$/.test(entry.summary))
      problems.push(`${where} has the summary ${JSON.stringify(entry.summary)}`);
    if (!spoken) problems.push(`${where} follows another one, and nothing was said between them`);
    savings = 0;
    spoken = false;
  });
  return problems;
}

/** Announced, and then it could not be written. */
const hasFailed = (announced: Json, next: Json) =>
  announced?.type === 'memory_flush' && next?.result === 'failed' && announced.runId === next.runId;

const isQuestion = (entry: Json) => entry.type === 'message' && entry.message.role === 'user';

function removedBefore(entries: Json[]): number {
  return entries
    .filter(entry => entry.type === 'compact')
    .reduce((sum, entry) => sum + entry.turns_removed, 0);
}

/** Each answer was made from what the transcript says: the summary and what it keeps, or all that has room. */
function checkGiven(place: Place, { entries }: Transcript): string[] {
  const problems: string[] = [];
  entries.forEach((end, at) => {
    if (end.type !== 'turn_end' || end.status !== 'replied') return;
    const [, , agent] = place.lives().findLast(([kind, run]) => kind === 'S' && run === end.runId) ?? [];
    const file = path.join(place.audit, `asked.${agent}`);
    if (agent === undefined || !fs.existsSync(file)) return;
    const asked = fs.readFileSync(file, 'utf8');
    const compact = entries.slice(0, at).findLast(entry => entry.type === 'compact');
    const isSummarised = asked.includes('[Summary of this conversation');
    if (isSummarised !== (compact !== undefined) || (compact && !asked.includes(compact.summary)))
      problems.push(`run ${end.runId} was ${isSummarised ? '' : 'not '}given the summary of its transcript`);
    const users = entries.slice(0, at).filter(isQuestion);
    const own = entries.find(entry => entry.type === 'turn' && entry.runId === end.runId).messageIds;
    const from = compact ? users.findIndex(user => user.id === compact.keptFrom) : 0;
    users.forEach((user, index) => {
      if (!/^said/.test(user.message.content) || own.includes(user.id)) return;
      const isGiven = asked.includes(`${user.message.content.split(' ')[0]} word`);
      if (compact && isGiven !== index >= from)
        problems.push(
          `run ${end.runId} was ${isGiven ? '' : 'not '}given message ${user.id}, kept from ${compact.keptFrom}`,
        );
    });
  });
  return problems;
}

/** A record counts the compactions and savings of its transcript, and points behind the newest one. */
function checkCount(home: string, transcripts: Transcript[], mayLag: boolean): string[] {
  if (mayLag) return [];
  const folder = path.join(home, 'agents', 'main', 'sessions');
  return names(path.join(folder, 'records')).flatMap(name => {
    const record = parse(fs.readFileSync(path.join(folder, 'records', name), 'utf8'));
    const transcript = transcripts.find(({ sessionId }) => sessionId === record?.sessionId);
    if (!record?.context || !transcript) return [];
    const { compactions, compactedAt, flush } = record.context;
    const problems: string[] = [];
    const stand = transcript.entries.filter(entry => entry.type === 'compact');
    if (compactions !== stand.length)
      problems.push(`record ${name} counts ${compactions} compactions, its transcript has ${stand.length}`);
    const before = fs
      .readFileSync(path.join(folder, transcript.name))
      .subarray(0, compactedAt ?? 0)
      .toString('utf8');
    const last = parse(before.trimEnd().split('\n').at(-1) ?? '');
    if (stand.length > 0 && JSON.stringify(last) !== JSON.stringify(stand.at(-1)))
      problems.push(`record ${name} does not point behind the newest compaction, but behind ${last?.type}`);
    const saved = transcript.entries.findLast(entry => entry.type === 'memory_flush');
    if (flush?.at !== saved?.timestamp)
      problems.push(`record ${name} has memory saved at ${flush?.at}, its transcript at ${saved?.timestamp}`);
    return problems;
  });
}

const NOTE = /^- noted by (\d+-\d+) for \S+: the person likes tea, and no milk in it$/;

/** The notes are whole, and stand once for each line that says so. */
function checkNotes(place: Place, all: Json[]): string[] {
  const folder = place.path('agents/main/workspace/memory');
  const problems: string[] = [];
  const lines = names(folder)
    .map(name => fs.readFileSync(path.join(folder, name), 'utf8'))
    .flatMap(text => text.split('\n').filter(Boolean));
  for (const line of lines)
    if (!NOTE.test(line)) problems.push(`not a whole note: ${JSON.stringify(line.slice(0, 80))}`);
  const saved = all.filter(
    (entry, at) =>
      entry.type === 'memory_flush' && entry.result === 'saved' && !hasFailed(entry, all[at + 1]),
  ).length;
  if (lines.length !== saved)
    problems.push(`${lines.length} notes stand in memory, and ${saved} lines say that one was saved`);
  return problems;
}

/** What must hold of a home after any trouble, once a tick has run. Each finding is one sentence. */
import fs from 'node:fs';
import path from 'node:path';
import { checkCompactions } from './check-compaction.ts';
import { names, type Place, parse } from './lab.ts';

type Json = any;

/** A message that was sent, and what is known about it. */
export interface Sent {
  id: string;
  /** it must stand in a transcript by now: it was acknowledged, or sent again */
  due: boolean;
}

export interface Transcript {
  name: string;
  sessionId: string;
  entries: Json[];
}

export interface Found {
  transcripts: Transcript[];
  problems: string[];
}

const AGENT_ID = 'main';

/** Every transcript, and what is wrong with its lines. */
export function readTranscripts(home: string): Found {
  const folder = path.join(home, 'agents', AGENT_ID, 'sessions');
  const problems: string[] = [];
  const transcripts = names(folder)
    .filter(name => name.endsWith('.jsonl'))
    .map(name => {
      const sessionId = name.slice(0, -'.jsonl'.length);
      const text = fs.readFileSync(path.join(folder, name), 'utf8');
      if (text !== '' && !text.endsWith('\n')) problems.push(`${name}: its last line is torn`);
      const entries = text
        .split('\n')
        .slice(0, -1)
        .flatMap((line, index) => {
          const value = parse(line);
          if (typeof value === 'object' && value !== null) return [value];
          problems.push(`${name}:${index + 1}: not a JSON object: ${JSON.stringify(line.slice(0, 60))}`);
          return [];
        });
      if (entries.length > 0 && (entries[0].type !== 'session' || entries[0].id !== sessionId))
        problems.push(
          `${name}: does not begin with its own header but with ${JSON.stringify(entries[0]).slice(0, 80)}`,
        );
      if (entries.filter(entry => entry.type === 'session').length > 1)
        problems.push(`${name}: has two headers`);
      return { name, sessionId, entries };
    });
  return { transcripts, problems };
}

export interface CheckOptions {
  sent: Sent[];
  /** a power cut may have brought an older record back; it is behind, never ahead, until the next message comes */
  recordMayLag?: boolean;
  /** files in pending/ that are legitimate here, e.g. /\.failed$/ */
  pending?: RegExp;
  /** beginning of the transcripts that were there before the fault: they stay whole */
  before?: Map<string, string>;
  /** how many resets there may be beyond those that were there before */
  resets?: number;
}

/** Everything that can be said without knowing what the fault was. */
export function check(place: Place, options: CheckOptions): string[] {
  const { home } = place;
  const { transcripts, problems } = readTranscripts(home);
  const all = transcripts.flatMap(transcript => transcript.entries);
  problems.push(
    ...checkMessages(all, options.sent),
    ...checkRuns(all),
    ...checkAgents(place, all),
    ...checkLitter(home, options.pending),
    ...checkRecords(home, transcripts, options.recordMayLag ?? false),
    ...checkOld(home, options),
    ...checkCompactions(place, transcripts, options.recordMayLag ?? false),
  );
  return problems;
}

export function isAcceptance(entry: Json): boolean {
  return (entry.type === 'message' && entry.message?.role === 'user') || entry.type === 'command';
}

function checkMessages(all: Json[], sent: Sent[]): string[] {
  const problems: string[] = [];
  const count = new Map<string, number>();
  for (const entry of all) if (isAcceptance(entry)) count.set(entry.id, (count.get(entry.id) ?? 0) + 1);
  for (const [id, times] of count) if (times > 1) problems.push(`message ${id} stands ${times} times`);
  for (const { id, due } of sent) if (due && !count.has(id)) problems.push(`message ${id} is lost`);
  return problems;
}

function checkRuns(all: Json[]): string[] {
  const problems: string[] = [];
  /** It was told that it had been given too much: that is worth another start, beside those that a death is. */
  const overflows = (id: string) =>
    all.filter(entry => entry.type === 'compact' && entry.reason === 'overflow' && entry.runId === id).length;
  const runs = new Map<string, { starts: number[]; ends: string[]; replies: number; messageIds: string[] }>();
  const run = (id: string) => {
    const known = runs.get(id) ?? { starts: [], ends: [], replies: 0, messageIds: [] };
    runs.set(id, known);
    return known;
  };
  for (const entry of all) {
    if (entry.type === 'turn') {
      run(entry.runId).starts.push(entry.attempt);
      run(entry.runId).messageIds = entry.messageIds;
    } else if (entry.type === 'turn_end') run(entry.runId).ends.push(entry.status);
    else if (entry.type === 'message' && entry.message?.role === 'assistant') run(entry.runId).replies++;
  }
  const answered = new Map<string, number>();
  for (const [id, { starts, ends, replies, messageIds }] of runs) {
    if (starts.length > 2 + overflows(id) || starts.some((attempt, index) => attempt !== index + 1))
      problems.push(`run ${id} was started as attempts ${starts.join(', ') || 'none'}`);
    if (ends.length > 1) problems.push(`run ${id} ended ${ends.length} times: ${ends.join(', ')}`);
    if (replies > 1) problems.push(`run ${id} has ${replies} replies`);
    if (replies !== (ends[0] === 'replied' ? 1 : 0))
      problems.push(`run ${id} ended ${ends[0] ?? 'not at all'} with ${replies} replies`);
    if (replies > 0)
      for (const message of messageIds) answered.set(message, (answered.get(message) ?? 0) + 1);
  }
  for (const [id, times] of answered)
    if (times > 1) problems.push(`message ${id} was answered ${times} times`);
  return problems;
}

/** Agents are started only for recorded starts, and never two at once. */
function checkAgents(place: Place, all: Json[]): string[] {
  const problems: string[] = [];
  const recorded = new Map<string, number>();
  for (const entry of all)
    if (entry.type === 'turn') recorded.set(entry.runId, (recorded.get(entry.runId) ?? 0) + 1);
  const started = new Map<string, number>();
  for (const [kind, run] of place.lives()) {
    if (kind === 'OVERLAP') problems.push(`two agents of one session lived at once (run ${run})`);
    if (kind === 'S') started.set(run!, (started.get(run!) ?? 0) + 1);
  }
  for (const [run, times] of started) {
    if (times > (recorded.get(run) ?? 0))
      problems.push(`run ${run}: ${times} agents, but ${recorded.get(run) ?? 0} recorded starts`);
  }
  return problems;
}

function checkLitter(home: string, pending: RegExp | undefined): string[] {
  const problems: string[] = [];
  for (const file of walk(home)) {
    const [top] = file.split('/');
    if (top === 'cache') continue;
    if (path.basename(file).startsWith('.tmp-')) problems.push(`a temporary is left: ${file}`);
    else if (top === 'pending' && !pending?.test(file)) problems.push(`left in pending: ${file}`);
  }
  for (const agent of names(path.join(home, 'locks')))
    for (const name of names(path.join(home, 'locks', agent)))
      problems.push(
        `a lock is left: ${[agent, name, ...names(path.join(home, 'locks', agent, name))].join('/')}`,
      );
  return problems;
}

function checkRecords(home: string, transcripts: Transcript[], mayLag: boolean): string[] {
  const problems: string[] = [];
  const folder = path.join(home, 'agents', AGENT_ID, 'sessions');
  const current = new Set<string>();
  for (const name of names(path.join(folder, 'records')).filter(each => !each.startsWith('.'))) {
    const record = parse(fs.readFileSync(path.join(folder, 'records', name), 'utf8'));
    if (typeof record !== 'object' || record === null) {
      problems.push(`record ${name} does not parse`);
      continue;
    }
    current.add(record.sessionId);
    const file = path.join(folder, `${record.sessionId}.jsonl`);
    const size = fs.existsSync(file) ? fs.statSync(file).size : 0;
    if (mayLag ? record.bytes > size : record.bytes !== size)
      problems.push(`record ${name} is at byte ${record.bytes}, its transcript at ${size}`);
    const transcript = transcripts.find(each => each.sessionId === record.sessionId);
    const messages = transcript?.entries.filter(entry => entry.type === 'message').length ?? 0;
    if (!mayLag && record.messageCount !== messages)
      problems.push(`record ${name} counts ${record.messageCount} messages, its transcript has ${messages}`);
  }
  for (const { name, sessionId, entries } of transcripts) {
    const reset = entries.filter(entry => entry.type === 'reset');
    if (reset.length > 1) problems.push(`${name}: has ${reset.length} reset lines`);
    if (reset.length > 0 && entries.at(-1).type !== 'reset')
      problems.push(`${name}: goes on behind its reset line`);
    if (reset.length > 0 && current.has(sessionId) && !mayLag)
      problems.push(`${name}: is archived, but its record still points to it`);
    if (reset.length === 0 && !current.has(sessionId))
      problems.push(`${name}: no record points to it, and no reset line archives it`);
    if (reset.length > 0) {
      const next = reset[0].nextSessionId;
      if (!current.has(next) && !transcripts.some(each => each.sessionId === next))
        problems.push(`${name}: its reset line names ${next}, which is nowhere`);
    }
  }
  return problems;
}

function checkOld(home: string, { before, resets }: CheckOptions): string[] {
  const problems: string[] = [];
  if (!before) return problems;
  const folder = path.join(home, 'agents', AGENT_ID, 'sessions');
  let added = 0;
  for (const [name, text] of before) {
    const now = fs.existsSync(path.join(folder, name))
      ? fs.readFileSync(path.join(folder, name), 'utf8')
      : null;
    if (!now?.startsWith(text)) problems.push(`${name}: what stood there before is no longer whole`);
    else if (now.slice(text.length).includes('"type":"reset"')) added++;
  }
  if (resets !== undefined && added > resets) problems.push(`${added} sessions were reset`);
  return problems;
}

/** The transcripts as they stand, for `before`. */
export function transcriptTexts(home: string): Map<string, string> {
  const folder = path.join(home, 'agents', AGENT_ID, 'sessions');
  return new Map(
    names(folder)
      .filter(name => name.endsWith('.jsonl'))
      .map(name => [name, fs.readFileSync(path.join(folder, name), 'utf8')]),
  );
}

/** Replies that `claw delivery list` shows, by the message they answer. */
export function deliveries(home: string): Map<string, string> {
  return new Map(
    names(path.join(home, 'outbox'))
      .filter(name => name.endsWith('.json') && !name.startsWith('.'))
      .map(name => parse(fs.readFileSync(path.join(home, 'outbox', name), 'utf8')))
      .filter(item => typeof item === 'object' && item !== null)
      .map(item => [item.messageId, item.text]),
  );
}

/** All files below a folder, relative. */
export function walk(folder: string, below = ''): string[] {
  return fs.readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap(each => {
    const name = path.join(below, each.name);
    return each.isDirectory() ? walk(folder, name) : [name];
  });
}

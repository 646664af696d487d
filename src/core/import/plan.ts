/**
 * What an import makes of a foreign store: which transcript becomes the session of which key, and which are archived.
 * Pure: from what the store lists to a list of what is to be written.
 */
import { splitKey } from '../routing/session-key.ts';
import { SAFE_SESSION_ID } from '../session/transcript.ts';
import { type ImportedEntry, readEntry } from './entry.ts';
import { keylessKey, keyOfStem, mapKey, type OldKeyContext, stemOfKey } from './key.ts';
import { type Fields, isFields } from './line.ts';

/** A transcript as the store lists it. */
export interface ListedTranscript {
  /** path below the store's root, with `/` */
  file: string;
  /** its name without folder and `.jsonl…` */
  stem: string;
  /** set aside by the old system: `<id>.jsonl.deleted.<time>`, `<id>.jsonl.reset.<time>` */
  tombstone?: 'deleted' | 'reset';
  /** epoch ms */
  mtimeMs: number;
  /** the session key its header names; looked up only where the index cannot be used */
  headKey?: string;
}

/** The sessions of one agent. */
export interface Shelf {
  agentId: string;
  /** members of its index files: `sessions.json`, `session-metadata.json` */
  entries: { key: string; value: unknown; file: string }[];
  /** no index could be read whole: transcripts without an entry are then sessions, not leftovers */
  indexBroken: boolean;
  transcripts: ListedTranscript[];
}

/** Why a transcript is archived. */
export type ArchiveReason = 'older-key' | 'no-entry' | 'deleted' | 'reset' | 'live-session';

/** One transcript to be written. */
export interface ImportItem {
  agentId: string;
  key: string;
  /** key in the old store, null where it had none */
  oldKey: string | null;
  role: 'current' | 'archived';
  why?: ArchiveReason;
  /** claw's id of it; see `renamedFrom` */
  sessionId: string;
  /** the old id, where it cannot be used: unsafe as a file name, or taken */
  renamedFrom?: string;
  transcript: ListedTranscript;
  entry: ImportedEntry;
}

export interface ImportPlan {
  items: ImportItem[];
  /** what could not be read or used */
  problems: { file: string; reason: string }[];
  /** what a person may want to know */
  notes: string[];
}

export interface PlanContext {
  /** keys of an agent's store; `agentId` is filled in per shelf */
  keys: Omit<OldKeyContext, 'agentId'>;
  /** a UUID made from a text, the same one each time */
  uuidFrom(text: string): string;
}

interface Candidate {
  agentId: string;
  key: string;
  oldKey: string;
  transcript: ListedTranscript;
  entry: ImportedEntry;
}

/** Plans all shelves. Two old keys of one new key: the newer is current, the others are archived. */
export function planImport(shelves: readonly Shelf[], context: PlanContext): ImportPlan {
  const plan: ImportPlan = { items: [], problems: [], notes: [] };
  const candidates: Candidate[] = [];
  const leftovers: { shelf: Shelf; transcript: ListedTranscript; key?: string }[] = [];
  for (const shelf of shelves) {
    const claimed = new Set<ListedTranscript>();
    const keys: OldKeyContext = { ...context.keys, agentId: shelf.agentId };
    for (const { key: oldKey, value, file } of shelf.entries) {
      if (!isFields(value)) {
        plan.problems.push({ file, reason: `entry ${JSON.stringify(oldKey)} is not an object` });
        continue;
      }
      const entry = readEntry(value);
      const transcript = findTranscript(shelf, oldKey, entry);
      if (transcript === null) {
        const named = entry.sessionId ?? stemOfKey(oldKey);
        const reason = `the transcript of ${JSON.stringify(oldKey)} is missing (${named}.jsonl)`;
        plan.problems.push({ file, reason });
        continue;
      }
      claimed.add(transcript);
      const key = mapKey(oldKey, keys);
      const agentId = key === null ? null : (splitKey(key)?.agentId ?? null);
      if (key === null || agentId === null) {
        plan.problems.push({ file, reason: `${JSON.stringify(oldKey)} cannot be a session key; archived` });
        leftovers.push({ shelf, transcript });
        continue;
      }
      candidates.push({ agentId, key, oldKey, transcript, entry });
    }
    for (const transcript of shelf.transcripts) {
      if (claimed.has(transcript)) continue;
      const known = transcript.tombstone ? null : (transcript.headKey ?? keyOfStem(transcript.stem));
      const key = known === null ? null : mapKey(known, keys);
      const agentId = key === null ? null : (splitKey(key)?.agentId ?? null);
      if (known !== null && key !== null && agentId !== null)
        candidates.push({ agentId, key, oldKey: known, transcript, entry: noEntry() });
      else leftovers.push({ shelf, transcript });
    }
  }
  const keyOfId = new Map(candidates.map(each => [`${each.agentId}/${each.transcript.stem}`, each.key]));
  for (const group of groupByKey(candidates)) {
    const [current, ...older] = group;
    if (current === undefined) continue;
    plan.items.push(itemOf(current, 'current'));
    for (const candidate of older) {
      if (candidate.transcript === current.transcript) continue;
      plan.items.push(itemOf(candidate, 'archived', 'older-key'));
      plan.notes.push(
        `${candidate.oldKey} and ${current.oldKey} are both ${current.key} here; the newer one (${current.oldKey}) goes on, the other is archived`,
      );
    }
  }
  for (const { shelf, transcript } of leftovers) {
    const { agentId, indexBroken } = shelf;
    // One that was reset in place still has the id of the session that followed.
    const key = keyOfId.get(`${shelf.agentId}/${transcript.stem}`) ?? keylessKey(agentId, transcript.stem);
    const isSession = indexBroken && !transcript.tombstone;
    plan.items.push({
      agentId,
      key,
      oldKey: null,
      role: isSession ? 'current' : 'archived',
      ...(isSession ? {} : { why: transcript.tombstone ?? 'no-entry' }),
      sessionId: '',
      transcript,
      entry: noEntry(),
    });
  }
  nameItems(plan.items, context);
  return plan;
}

function noEntry(): ImportedEntry {
  return readEntry({ sessionId: '' } satisfies Fields);
}

function itemOf(candidate: Candidate, role: ImportItem['role'], why?: ArchiveReason): ImportItem {
  return { ...candidate, role, ...(why ? { why } : {}), sessionId: '' };
}

/** Candidates by new key, the newest of each first; of two as new the one whose key is spelled as claw does. */
function groupByKey(candidates: readonly Candidate[]): Candidate[][] {
  const groups = new Map<string, Candidate[]>();
  for (const candidate of candidates) {
    const group = groups.get(candidate.key);
    if (group) group.push(candidate);
    else groups.set(candidate.key, [candidate]);
  }
  const age = ({ entry, transcript }: Candidate) => entry.updatedAt ?? transcript.mtimeMs;
  for (const group of groups.values()) {
    group.sort(
      (a, b) =>
        age(b) - age(a) ||
        Number(b.oldKey === b.key) - Number(a.oldKey === a.key) ||
        (a.transcript.file < b.transcript.file ? -1 : 1),
    );
  }
  return [...groups.values()];
}

/** The transcript an entry means: by the name it gives, its session id, a topic of that, or its key as a name. */
function findTranscript(shelf: Shelf, oldKey: string, entry: ImportedEntry): ListedTranscript | null {
  const live = shelfIndex(shelf);
  const topic = /:(?:topic|thread):([^:]+)$/.exec(oldKey)?.[1];
  const names = [
    entry.fileName?.replace(/\.jsonl$/, ''),
    topic === undefined || entry.sessionId === undefined ? undefined : `${entry.sessionId}-topic-${topic}`,
    entry.sessionId,
    ...(entry.sessionId === undefined ? [stemOfKey(oldKey)] : []),
  ];
  for (const name of names) {
    const found = name === undefined ? undefined : live.get(name);
    if (found !== undefined) return found;
  }
  return null;
}

const indexes = new WeakMap<Shelf, Map<string, ListedTranscript>>();

/** Transcripts in use, by stem; made once per shelf. */
function shelfIndex(shelf: Shelf): Map<string, ListedTranscript> {
  let index = indexes.get(shelf);
  if (index === undefined) {
    index = new Map();
    for (const transcript of shelf.transcripts)
      if (!transcript.tombstone && !index.has(transcript.stem)) index.set(transcript.stem, transcript);
    indexes.set(shelf, index);
  }
  return index;
}

/**
 * Gives each item its session id: the old one where it can be a file name here and nothing before it has it, else one
 * made from where the transcript stands. Transcripts in use go before those set aside, older ones of these first, so
 * that an id stays where it is when the store grows.
 */
function nameItems(items: ImportItem[], context: PlanContext): void {
  const taken = new Set<string>();
  const rank = (item: ImportItem) => (item.role === 'current' ? 0 : item.transcript.tombstone ? 2 : 1);
  const byRank = [...items].sort(
    (a, b) => rank(a) - rank(b) || (a.transcript.file < b.transcript.file ? -1 : 1),
  );
  for (const item of byRank) {
    const { stem, file } = item.transcript;
    const place = (id: string) => `${item.agentId}/${id.toLowerCase()}`;
    const usable = SAFE_SESSION_ID.test(stem) && keyOfStem(stem) === null && !taken.has(place(stem));
    item.sessionId = usable ? stem : context.uuidFrom(`${file}\n${item.key}`);
    // A name that spelled a key was never an id.
    if (!usable && keyOfStem(stem) === null) item.renamedFrom = stem;
    taken.add(place(item.sessionId));
  }
}

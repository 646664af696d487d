/** Every path below `$CLAW_HOME`, and the injective file name of a session key. */
import path from 'node:path';

/** Longest encoded name used as it is; beyond, a prefix and a hash (file names end at 255 bytes on common systems). */
const LONGEST_NAME = 180;

const PLAIN_KEY = /^[a-z0-9_+@=:-](?:[a-z0-9._+@=:-]*[a-z0-9_+@=:-])?$/;

/**
 * A session key (without its `agent:<id>:` part) as a file name: readable, and no two keys share one, also on
 * file systems that fold case or normalise Unicode. `:` becomes `~`; lower-case letters, digits and `.-_+@=` stay;
 * every other byte of the UTF-8 form is `%xx`. A leading or trailing dot is escaped too.
 */
export function encodeKey(rest: string): string {
  // Nearly every key is plain; a listing of 100,000 records encodes each of them.
  if (PLAIN_KEY.test(rest) && rest.length <= LONGEST_NAME) return rest.replaceAll(':', '~');
  let name = '';
  for (const byte of Buffer.from(rest, 'utf8')) {
    const char = String.fromCharCode(byte);
    if (char === ':') name += '~';
    else if (/[a-z0-9._+@=-]/.test(char)) name += char;
    else name += escapeByte(byte);
  }
  name = name.replace(/^\./, '%2e').replace(/\.$/, '%2e');
  if (name.length <= LONGEST_NAME) return name;
  // `%%` cannot come out of the escaping above, so a shortened name never equals a whole one.
  const crypto = require('node:crypto') as typeof import('node:crypto');
  const hash = crypto.createHash('sha256').update(rest, 'utf8').digest('hex').slice(0, 40);
  return `${name.slice(0, 100).replace(/%.?$/, '')}%%${hash}`;
}

function escapeByte(byte: number): string {
  return `%${byte.toString(16).padStart(2, '0')}`;
}

/** The key behind a file name, as far as a name holds it: of a shortened one only its beginning. */
export function decodeKey(name: string): string {
  const [whole = ''] = name.split('%%');
  const bytes = whole
    .replaceAll('~', ':')
    .replace(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** The part of a key behind `agent:<id>:`. */
export function restOfKey(key: string): string {
  const [, , ...rest] = key.split(':');
  return rest.join(':');
}

/** All places under one `$CLAW_HOME`. */
export class Layout {
  constructor(readonly home: string) {}

  agents(): string {
    return path.join(this.home, 'agents');
  }
  sessions(agentId: string): string {
    return path.join(this.home, 'agents', agentId, 'sessions');
  }
  records(agentId: string): string {
    return path.join(this.sessions(agentId), 'records');
  }
  /** temporaries of records and transcripts, apart, so that sweeping them does not list every session */
  drafts(agentId: string): string {
    return path.join(this.home, 'agents', agentId, '.tmp');
  }
  record(agentId: string, key: string): string {
    return path.join(this.records(agentId), `${encodeKey(restOfKey(key))}.json`);
  }
  transcript(agentId: string, sessionId: string): string {
    return path.join(this.sessions(agentId), `${sessionId}.jsonl`);
  }
  torn(agentId: string, sessionId: string, now: number): string {
    return path.join(this.sessions(agentId), `${sessionId}.torn-${now}`);
  }
  workspace(agentId: string): string {
    return path.join(this.home, 'agents', agentId, 'workspace');
  }
  settingsFolder(agentId: string): string {
    return path.join(this.sessions(agentId), 'settings');
  }
  settings(agentId: string, key: string): string {
    return path.join(this.settingsFolder(agentId), `${encodeKey(restOfKey(key))}.json`);
  }
  /** agent ids hold no `~`, so no two keys share a lock */
  settingsLock(agentId: string, key: string): string {
    return path.join(this.home, 'locks', '.settings', `${agentId}~${encodeKey(restOfKey(key))}`);
  }
  lock(agentId: string, key: string): string {
    return path.join(this.home, 'locks', agentId, encodeKey(restOfKey(key)));
  }
  locks(agentId: string): string {
    return path.join(this.home, 'locks', agentId);
  }
  jobs(): string {
    return path.join(this.home, 'cron', 'jobs.json');
  }
  jobRuns(jobId: string): string {
    return path.join(this.home, 'cron', 'runs', `${jobId}.jsonl`);
  }
  /** lock of `cron/jobs.json`; no agent id can be `@cron` */
  jobsLock(): string {
    return path.join(this.home, 'locks', '@cron', 'jobs');
  }
  /** held while a job (or heartbeat) runs; `name` is its encoded id */
  runningLock(name: string): string {
    return path.join(this.home, 'locks', '@run', name);
  }
  /** one of the places of an agent's runs at a time; agent ids hold no `~` */
  slotLock(agentId: string, slot: number): string {
    return path.join(this.home, 'locks', '@slots', `${agentId}~${slot}`);
  }
  /** held for the moment of an append to a job's past */
  runsLock(name: string): string {
    return path.join(this.home, 'locks', '.runs', name);
  }
  /** one entry for each run of a job that somebody has in hand */
  claims(): string {
    return path.join(this.home, 'claims');
  }
  /** held for the moment of an addition to an agent's notes */
  memoryLock(agentId: string): string {
    return path.join(this.home, 'locks', '.memory', agentId);
  }
  locksRoot(): string {
    return path.join(this.home, 'locks');
  }
  configLock(): string {
    return path.join(this.home, 'locks', '.config', 'file');
  }
  pendingRoot(): string {
    return path.join(this.home, 'pending');
  }
  pending(agentId: string): string {
    return path.join(this.home, 'pending', agentId);
  }
  events(agentId: string): string {
    return path.join(this.home, 'events', agentId);
  }
  ids(): string {
    return path.join(this.home, 'ids');
  }
  outboxLock(id: string): string {
    return path.join(this.home, 'locks', '.outbox', id);
  }
  outbox(): string {
    return path.join(this.home, 'outbox');
  }
  sent(): string {
    return path.join(this.home, 'outbox', 'sent');
  }
  pairingRoot(): string {
    return path.join(this.home, 'pairing');
  }
  pairing(channel: string, accountId: string): string {
    return path.join(this.home, 'pairing', encodeKey(`${channel}:${accountId}`));
  }
  /** beside the locks of sessions, where a tick releases what dead owners left; no agent id begins with a dot */
  pairingLock(channel: string, accountId: string): string {
    return path.join(this.home, 'locks', '.pairing', encodeKey(`${channel}:${accountId}`));
  }
  log(): string {
    return path.join(this.home, 'logs', 'claw.jsonl');
  }
  cache(): string {
    return path.join(this.home, 'cache');
  }
  /** what a search knows of an agent's notes */
  memoryIndex(agentId: string): string {
    return path.join(this.home, 'cache', 'memory', agentId);
  }
  idleNote(): string {
    return path.join(this.home, 'cache', 'idle.json');
  }
  tickStamp(): string {
    return path.join(this.home, 'logs', 'tick');
  }
  /** when the last look for daily resets was complete */
  sweepStamp(): string {
    return path.join(this.home, 'logs', 'resets');
  }
  /** how much an agent did in a day, as the sizes of files */
  counts(agentId: string): string {
    return path.join(this.home, 'counts', agentId);
  }
  cleanupStamp(): string {
    return path.join(this.home, 'logs', 'cleanup');
  }
}

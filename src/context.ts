/**
 * The only reader of the clock, of ids, of the environment and of the process table. Everything else gets these
 * as values, so that decisions can be tested as tables and a test can move the clock.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Owner } from './core/lease.ts';

/** What can be told at once, without asking the system who this process is. */
export interface Place {
  /** epoch ms by claw's clock */
  now(): number;
  env: Record<string, string | undefined>;
  /** `$CLAW_HOME`, absolute */
  home: string;
  /** absolute path given with `--config`, else `$CLAW_HOME/claw.json` */
  configFile: string;
  /** true when the file was asked for by name, and so must exist */
  configExplicit: boolean;
}

export interface Context extends Place {
  /** a fresh UUID */
  newId(): string;
  /** IANA name of the host's zone */
  hostZone(): string;
  /** this process, as other processes will recognise it */
  self: Owner;
  /** start time of a process as an opaque string, null when there is no such process (or it is a zombie) */
  startTimeOf(pid: number): string | null;
  hostname: string;
  /** user id that must own config and cache; undefined where the platform has none */
  uid: number | undefined;
}

/**
 * Where this process works.
 *
 * @param configFile value of `--config`, if given
 */
export function placeOf(configFile?: string): Place {
  const env = process.env;
  const home = path.resolve(expandHome(env.CLAW_HOME || '~/.claw'));
  const explicit = configFile ?? env.CLAW_CONFIG;
  return {
    now: () => Date.now(),
    env,
    home,
    configFile: explicit ? path.resolve(expandHome(explicit)) : path.join(home, 'claw.json'),
    configExplicit: Boolean(explicit),
  };
}

/**
 * The context of this process.
 *
 * @param configFile value of `--config`, if given
 */
export function systemContext(configFile?: string): Context {
  return {
    ...placeOf(configFile),
    newId,
    hostZone,
    self: thisProcess(),
    startTimeOf,
    hostname: os.hostname(),
    uid: process.getuid?.(),
  };
}

/** `~` and `~/…` replaced by the user's home directory. */
export function expandHome(file: string): string {
  if (file === '~') return os.homedir();
  return file.startsWith('~/') ? path.join(os.homedir(), file.slice(2)) : file;
}

let pool: Buffer = Buffer.alloc(0);

/** A random (version 4) UUID. Its bytes come from the kernel by one small read: loading node:crypto costs 3 ms a start. */
function newId(): string {
  if (pool.length < 16) pool = randomBytes();
  const bytes = pool.subarray(0, 16);
  pool = pool.subarray(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

function randomBytes(): Buffer {
  const bytes = Buffer.alloc(1024);
  try {
    const fd = fs.openSync('/dev/urandom', 'r');
    try {
      if (fs.readSync(fd, bytes) === bytes.length) return bytes;
    } finally {
      fs.closeSync(fd);
    }
  } catch {
    // No such device on this platform: the library below knows its own way.
  }
  return (require('node:crypto') as typeof import('node:crypto')).randomBytes(bytes.length);
}

let zone: string | undefined;

/** The host's zone by the same signs that Node itself reads; only where they say nothing is Intl woken, for 10 ms. */
function hostZone(): string {
  zone ??= zoneFromEnvironment() ?? zoneFromIntl();
  return zone;
}

const ZONE_FILES = '/usr/share/zoneinfo';

/** Names that both the system and Intl know: `Area/Place` or `CET`, there as a file; `posix/…` is not for Intl. */
function zoneFromEnvironment(): string | undefined {
  const isZone = (name: string | undefined): name is string =>
    name !== undefined &&
    /^[A-Z][A-Za-z]+(?:\/[A-Za-z0-9_+-]+)*$/.test(name) &&
    fs.existsSync(path.join(ZONE_FILES, name));
  const { TZ } = process.env;
  if (TZ !== undefined) return TZ === 'UTC' || isZone(TZ) ? TZ : undefined;
  try {
    const [, name] = fs.readlinkSync('/etc/localtime').split('/zoneinfo/');
    if (name === 'Etc/UTC' || name === 'UTC') return 'UTC';
    return isZone(name) ? name : undefined;
  } catch {
    return undefined;
  }
}

/** Intl calls a zone it cannot name Etc/Unknown, and reckons in UTC then. */
function zoneFromIntl(): string {
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  // An offset such as GMT+05:00 is told, but cannot be asked for.
  return name && name !== 'Etc/Unknown' && /^[A-Z][A-Za-z]+(?:\/[A-Za-z0-9_+-]+)*$/.test(name) ? name : 'UTC';
}

/** First eight characters of an identifier file, made safe for a file name; `x` where the platform has none. */
function shortId(file: string): string {
  try {
    return (
      fs
        .readFileSync(file, 'latin1')
        .replace(/[^0-9a-zA-Z]/g, '')
        .slice(0, 8) || 'x'
    );
  } catch {
    return 'x';
  }
}

function pidNamespace(): string {
  try {
    return fs.readlinkSync('/proc/self/ns/pid').replace(/\D/g, '') || '0';
  } catch {
    return '0';
  }
}

function thisProcess(): Owner {
  return {
    pid: process.pid,
    startTime: startTimeOf(process.pid) ?? '0',
    bootId: shortId('/proc/sys/kernel/random/boot_id'),
    pidNamespace: pidNamespace(),
    machineId: shortId('/etc/machine-id'),
  };
}

/**
 * Start time of a process: field 22 of /proc/<pid>/stat (ticks since boot, so clock jumps do not matter), read
 * behind the last `)` because the command name may hold anything. A zombie counts as gone. Where there is no
 * /proc, `ps -o lstart=` is asked, but only about a pid that answers signal 0.
 */
function startTimeOf(pid: number): string | null {
  if (process.platform === 'linux') {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] ?? null);
    } catch {
      return null;
    }
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return null;
  }
  const child = require('node:child_process') as typeof import('node:child_process');
  const started = child
    .spawnSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
    .stdout?.trim();
  if (!started) return null;
  const seconds = Date.parse(started) / 1000;
  return Number.isFinite(seconds) ? String(seconds) : started.replace(/\W+/g, '');
}

// Whole-process figures of the built claw, as ratios within one run: every measured start is paired with a start of bare
// node right beside it, so that a machine that speeds up or slows down moves both. Prints a table; with --readme it also
// replaces the one in README.md. Nothing here asserts.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const bin = path.join(root, 'bin/claw.js');
const runs = Number(process.env.RUNS ?? 15);
const work = fs.mkdtempSync(path.join(os.tmpdir(), 'claw-bench-'));
const bare = path.join(work, 'bare.js');
fs.writeFileSync(bare, '');

const CAT = {
  agents: { defaults: { runner: 'cat' } },
  runners: { cat: { command: 'cat', context: 'none' } },
};

/** An agent that is sent the conversation. */
const WC = {
  agents: { defaults: { runner: 'wc' } },
  runners: { wc: { command: 'wc', args: ['-c'], context: 'claw' } },
};

/** A clean environment: NODE_EXTRA_CA_CERTS alone adds more to a start of node than claw does. */
const env = home => ({ PATH: process.env.PATH, HOME: work, CLAW_HOME: home, TZ: 'UTC' });

function newHome(name, config = CAT) {
  const home = path.join(work, name);
  fs.mkdirSync(home, { mode: 0o700 });
  fs.writeFileSync(path.join(home, 'claw.json'), JSON.stringify(config), { mode: 0o600 });
  return home;
}

/** Wall time in ms and peak memory in MiB of one process; memory comes from the child's own last word where asked for. */
function once(args, home) {
  const begun = process.hrtime.bigint();
  const run = spawnSync(process.execPath, args, { env: env(home), input: '', maxBuffer: 1 << 30 });
  const ms = Number(process.hrtime.bigint() - begun) / 1e6;
  if (run.status !== 0) throw new Error(`${args.join(' ')}: exit ${run.status}\n${run.stderr}`);
  return ms;
}

function peak(args, home) {
  const run = spawnSync('/usr/bin/time', ['-f', '%M', process.execPath, ...args], {
    env: env(home),
    input: '',
    maxBuffer: 1 << 30,
  });
  if (run.error) return null;
  return Number(run.stderr.toString().trim().split('\n').at(-1)) / 1024;
}

const median = values => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Medians of a command, of another one run beside it, and of their ratio pair by pair. */
function pair(args, home, otherArgs = [bare], otherHome = home, count = runs) {
  const a = [];
  const b = [];
  once(args, home);
  once(otherArgs, otherHome);
  for (let index = 0; index < count; index++) {
    a.push(once(args, home));
    b.push(once(otherArgs, otherHome));
  }
  return {
    ms: median([...a]),
    other: median([...b]),
    ratio: median(a.map((ms, index) => ms / b[index])),
    memory: peak(args, home),
  };
}

const rows = [];
const f = (value, digits = 2) => (value === null ? '-' : value.toFixed(digits));
function row(what, result, bar, shown = `${f(result.ratio)} × bare`) {
  rows.push([
    what,
    shown,
    `${f(result.ms, 0)} ms`,
    result.memory === null ? '-' : `${f(result.memory, 0)} MB`,
    bar,
  ]);
  process.stderr.write(`${what}: ${shown}, ${f(result.ms, 0)} ms\n`);
}

/** A tick that has nothing to do. The first makes what is missing, and one that sees no recent change notes that it is so. */
function idleTick(home) {
  once([bin, 'tick'], home);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  once([bin, 'tick'], home);
  return pair([bin, 'tick'], home);
}

/** Processor time of one process, ms, user and system: the mean of twenty, since it is told in hundredths of a second. */
function cpu(args, home) {
  const loop = 'for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do "$@" || exit; done';
  const run = spawnSync(
    '/usr/bin/time',
    ['-f', '%U %S', '/bin/sh', '-c', loop, 'sh', process.execPath, ...args],
    { env: env(home), input: '' },
  );
  if (run.error || run.status !== 0) return null;
  const [user, system] = run.stderr.toString().trim().split('\n').at(-1).split(' ').map(Number);
  return (1000 * (user + system)) / 20;
}

/** Jobs as people have them: of every kind of schedule, none of them due. */
function fillJobs(home, count) {
  const schedule = index =>
    [
      { kind: 'cron', expr: `${index % 60} ${index % 24} * * *`, tz: 'Europe/Vienna' },
      { kind: 'every', everyMs: 3_600_000 + 60_000 * index, anchorMs: 1_700_000_000_000 },
      { kind: 'at', at: new Date(4_000_000_000_000 + 60_000 * index).toISOString() },
    ][index % 3];
  const jobs = Array.from({ length: count }, (_, index) => ({
    id: `job-${index}`,
    name: `job ${index}`,
    agentId: 'main',
    enabled: true,
    schedule: schedule(index),
    sessionTarget: index % 2 ? 'isolated' : 'main',
    payload: { kind: 'agentTurn', message: `Look after number ${index} and say what you found.` },
  }));
  fs.mkdirSync(path.join(home, 'cron'), { mode: 0o700 });
  fs.writeFileSync(path.join(home, 'cron/jobs.json'), JSON.stringify({ version: 1, jobs }), { mode: 0o600 });
}

/** Jobs in three zones, due in some months. */
function fillZonedJobs(home, count) {
  const month = index => 1 + ((new Date().getUTCMonth() + 3 + (index % 3)) % 12);
  const jobs = Array.from({ length: count }, (_, index) => ({
    id: `job-${index}`,
    name: `job number ${index}`,
    enabled: true,
    createdAtMs: Date.now(),
    schedule: {
      kind: 'cron',
      expr: `${index % 60} ${index % 24} ${1 + (index % 28)} ${month(index)} *`,
      tz: ['UTC', 'Europe/Stockholm', 'America/New_York'][index % 3],
    },
    sessionTarget: 'isolated',
    wakeMode: 'next-heartbeat',
    payload: { kind: 'agentTurn', message: `Look after number ${index} and say what you found.` },
  }));
  fs.mkdirSync(path.join(home, 'cron'), { mode: 0o700 });
  fs.writeFileSync(path.join(home, 'cron/jobs.json'), JSON.stringify({ version: 1, jobs }), { mode: 0o600 });
}

/** A tick that may not go by what the one before it noted. */
function wholeTick(home) {
  const a = [];
  const b = [];
  for (let index = 0; index < runs; index++) {
    fs.rmSync(path.join(home, 'cache/idle.json'), { force: true });
    a.push(once([bin, 'tick'], home));
    b.push(once([bare], home));
  }
  fs.rmSync(path.join(home, 'cache/idle.json'), { force: true });
  return {
    ms: median([...a]),
    other: median([...b]),
    ratio: median(a.map((ms, index) => ms / b[index])),
    memory: peak([bin, 'tick'], home),
  };
}

/** Records as a turn leaves them, without running one for each; each last used `agedBy` ms before the one before it. */
function fillSessions(home, count, agedBy = 0) {
  const template = once_record(home);
  const folder = path.join(home, 'agents/main/sessions/records');
  for (let index = 0; index < count; index++) {
    const rest = `telegram~group~-${100000 + index}`;
    const record = {
      ...template,
      key: `agent:main:${rest.replaceAll('~', ':')}`,
      sessionId: `s-${index}`,
      chatType: 'group',
      channel: 'telegram',
    };
    const file = path.join(folder, `${rest}.json`);
    record.updatedAt -= index * agedBy;
    fs.writeFileSync(file, `${JSON.stringify(record)}\n`, { mode: 0o600 });
    // As if each had been written when it was last used.
    if (agedBy > 0) fs.utimesSync(file, record.updatedAt / 1000, record.updatedAt / 1000);
  }
}

function once_record(home) {
  once([bin, 'ingest', 'hello'], home);
  return JSON.parse(fs.readFileSync(path.join(home, 'agents/main/sessions/records/main.json'), 'utf8'));
}

/** A transcript grown to `bytes` behind its header, with the record saying so. */
function growTranscript(home, bytes) {
  const record = once_record(home);
  const file = path.join(home, 'agents/main/sessions', `${record.sessionId}.jsonl`);
  const fd = fs.openSync(file, 'a');
  const lines = [];
  for (let index = 0; index < 1000; index++) {
    const message = {
      role: index % 2 ? 'assistant' : 'user',
      content: `${'words and more words '.repeat(10)}${index}`,
    };
    lines.push(
      JSON.stringify({
        type: 'message',
        timestamp: record.updatedAt,
        id: `x${index}`,
        runId: `r${index}`,
        origin: {},
        message,
      }),
    );
  }
  const chunk = Buffer.from(`${lines.join('\n')}\n`);
  for (let size = fs.fstatSync(fd).size; size < bytes; size += chunk.length) fs.writeSync(fd, chunk);
  record.bytes = fs.fstatSync(fd).size;
  fs.closeSync(fd);
  fs.writeFileSync(path.join(home, 'agents/main/sessions/records/main.json'), `${JSON.stringify(record)}\n`);
}

/** Transcripts of about `bytes` each, archived, of words that follow no pattern; one of them holds `xylophone`. */
function fillTranscripts(home, count, bytes) {
  const folder = path.join(home, 'agents/main/sessions');
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  let seed = 1;
  const random = below => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return (seed >>> 8) % below;
  };
  const parts = 'ba to ki lum er an sto ne ral mi que ver ti on sha pel'.split(' ');
  const word = () => Array.from({ length: 1 + random(4) }, () => parts[random(parts.length)]).join('');
  const words = Array.from({ length: 6000 }, word);
  for (let index = 0; index < count; index++) {
    const id = `s-${index}`;
    const sessionKey = `agent:main:telegram:group:-${100000 + index}`;
    const at = 1_700_000_000_000 + index * 60_000;
    const lines = [{ type: 'session', version: 1, id, sessionKey, agentId: 'main', timestamp: at }];
    for (let size = 0; size < bytes; size += JSON.stringify(lines.at(-1)).length) {
      const content = Array.from({ length: 60 }, () => words[random(words.length)]).join(' ');
      const role = lines.length % 2 ? 'user' : 'assistant';
      lines.push({ type: 'message', timestamp: at + lines.length, message: { role, content } });
    }
    if (index === Math.floor(count / 2)) lines.at(-1).message.content += ' xylophone';
    const text = lines.map(entry => `${JSON.stringify(entry)}\n`).join('');
    fs.writeFileSync(path.join(folder, `${id}.jsonl`), text, { mode: 0o600 });
  }
}

/** A command before whose every start the cache of searches is removed. */
function cold(args, home, count, cache = 'cache/search') {
  const forget = () => fs.rmSync(path.join(home, cache), { recursive: true, force: true });
  const a = [];
  const b = [];
  for (let index = 0; index < count; index++) {
    forget();
    a.push(once(args, home));
    b.push(once([bare], home));
  }
  forget();
  return {
    ms: median([...a]),
    other: median([...b]),
    ratio: median(a.map((ms, index) => ms / b[index])),
    memory: peak(args, home),
  };
}

/** Notes of 400 days, 25 a day. */
function memory() {
  const home = newHome('memory', {
    agents: { defaults: { runner: 'cat' } },
    runners: { cat: { command: 'cat', context: 'native' } },
  });
  const folder = path.join(home, 'agents/main/workspace/memory');
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (let day = 0; day < 400; day++) {
    const name = new Date(Date.UTC(2025, 0, 1 + day)).toISOString().slice(0, 10);
    const notes = Array.from({ length: 25 }, (_, index) => {
      const words = Array.from(
        { length: 12 },
        (_, word) => `w${(day * 7919 + index * 104729 + word * 31337) % 20000}`,
      );
      return `- 10:${String(index + 10)} ${words.join(' ')}\n`;
    });
    fs.writeFileSync(path.join(folder, `${name}.md`), notes.join(''));
  }
  fs.appendFileSync(path.join(folder, '2025-03-03.md'), '- the spare key is with Ada\n');
  const find = [bin, 'memory', 'search', '--json', 'spare', 'key'];
  row('`memory search` in 10,000 notes, no cache', cold(find, home, 5, 'cache/memory'), '≤ 12 × bare');
  // What has just changed is read again; after two seconds its cache is trusted.
  once(find, home);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  fs.rmSync(path.join(home, 'cache/memory'), { recursive: true });
  row('`memory search` in 10,000 notes', pair(find, home), '≤ 3 × bare');
  const turn = [bin, 'ingest', '--json', '--session', 'main', 'where is the spare key?'];
  const none = newHome('no-memory', {
    agents: { defaults: { runner: 'cat' } },
    runners: { cat: { command: 'cat', context: 'native' } },
  });
  const beside = pair(turn, home, turn, none);
  row('`ingest` with 10,000 notes', beside, '≤ 1.3 × without', `${f(beside.ratio)} × without`);
}

function searches() {
  const archive = newHome('archive');
  fillTranscripts(archive, 10_000, 10 * 1024);
  const find = [bin, 'sessions', 'search', 'xylophone'];
  row('`sessions search` in 10,000 transcripts, no cache', cold(find, archive, 3), '≤ 100 MB');
  row('`sessions search` in 10,000 transcripts', pair(find, archive, [bare], archive, 5), '≤ 100 MB');
}

function exports(long) {
  for (const format of ['json', 'html'])
    row(
      `\`sessions export --format ${format}\` of 200 MB`,
      pair(
        [
          bin,
          'sessions',
          'export',
          'main',
          '--format',
          format,
          '--force',
          '--output',
          path.join(work, 'out'),
        ],
        long,
        [bare],
        long,
        1,
      ),
      '≤ 120 MB',
    );
}

/** Syncs of one uncontended turn, counted in the process that takes the message. */
function countSyncs(home, args) {
  const hook = path.join(work, 'count.cjs');
  fs.writeFileSync(
    hook,
    `const fs=require('node:fs');let n=0;for(const m of ['fsyncSync','fdatasyncSync']){const f=fs[m];fs[m]=function(fd){n++;return f(fd)}}
     process.on('exit',()=>fs.writeFileSync(${JSON.stringify(path.join(work, 'syncs'))},String(n)));`,
  );
  once(['-r', hook, bin, ...args], home);
  return Number(fs.readFileSync(path.join(work, 'syncs'), 'utf8'));
}

try {
  const one = newHome('one');
  once_record(one);
  row('`sessions --json`, one session', pair([bin, 'sessions', '--json'], one), '≤ 1.9 ×');
  row('`route --json`', pair([bin, 'route', '--json', 'hello'], one), '≤ 1.9 ×');
  row('`ingest` through `cat`', pair([bin, 'ingest', '--json', 'hello'], one), '≤ 2.8 ×, ≤ 75 MB');
  row('`tick`, nothing due, no jobs', idleTick(newHome('idle')), '≤ 1.35 ×');
  const jobs = newHome('jobs');
  fillJobs(jobs, 1000);
  row('`tick`, nothing due, 1,000 jobs', idleTick(jobs), '≤ 1.6 ×');
  const board = newHome('board');
  fillZonedJobs(board, 1000);
  once([bin, 'tick'], board);
  // The list is remembered once its file has rested.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  row('`cron list`, 1,000 jobs in three zones', pair([bin, 'cron', 'list'], board), '≤ 2.2 ×');
  row('`cron list --json`, the same', pair([bin, 'cron', 'list', '--json'], board), '≤ 2.2 ×');
  row('a whole `tick` over them', wholeTick(board), '-');
  const single = newHome('single');
  fillZonedJobs(single, 1);
  once([bin, 'tick'], single);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500);
  row('`cron list`, one job', pair([bin, 'cron', 'list'], single), '≤ 1.9 ×');
  const perMinute = [cpu([bin, 'tick'], jobs), cpu([bare], jobs)];
  process.stderr.write(`an idle minute: ${perMinute.map(ms => f(ms, 0)).join(' ms, bare node ')} ms\n`);

  const many = newHome('many');
  fillSessions(many, 10_000);
  const listing = pair([bin, 'sessions', '--json'], many, [bare], many, 5);
  row('`sessions --json`, 10,000 sessions', listing, '≤ 350 ms', `${f(listing.ratio)} × bare`);
  const among = pair([bin, 'ingest', '--json', 'hello'], many, [bin, 'ingest', '--json', 'hello'], one);
  row('`ingest` with 10,000 sessions', among, '≤ 1.1 × with one', `${f(among.ratio)} × with one`);

  memory();

  if (process.env.LARGE) {
    const huge = newHome('huge');
    fillSessions(huge, 100_000);
    row(
      '`sessions --json`, 100,000 sessions',
      pair([bin, 'sessions', '--json'], huge, [bare], huge, 3),
      '≤ 2,000 ms, ≤ 300 MB',
    );
    const grown = newHome('grown');
    fillSessions(grown, 100_000, 5 * 60_000);
    row(
      '`sessions --active 60 --json` over 100,000 sessions of a year',
      pair([bin, 'sessions', '--active', '60', '--json'], grown, [bare], grown, 3),
      '≤ 2,000 ms, ≤ 300 MB',
    );
    const inHuge = pair([bin, 'ingest', '--json', 'hello'], huge, [bin, 'ingest', '--json', 'hello'], one);
    row('`ingest` with 100,000 sessions', inHuge, '≤ 1.1 × with one', `${f(inHuge.ratio)} × with one`);
  }

  if (process.env.LARGE) searches();

  const long = newHome('long');
  growTranscript(long, 200 * 1024 * 1024);
  if (process.env.LARGE) exports(long);
  const behind = pair([bin, 'ingest', '--json', 'hello'], long, [bin, 'ingest', '--json', 'hello'], one);
  row(
    '`ingest` behind a 200 MB transcript',
    behind,
    '< 1.1 × with a short one',
    `${f(behind.ratio)} × with a short one`,
  );
  const listed = pair([bin, 'sessions', '--json'], long, [bin, 'sessions', '--json'], one);
  row(
    '`sessions --json` with a 200 MB transcript',
    listed,
    '< 1.1 × with a short one',
    `${f(listed.ratio)} × with a short one`,
  );

  const told = newHome('told', WC);
  growTranscript(told, 200 * 1024 * 1024);
  const briefly = newHome('briefly', WC);
  growTranscript(briefly, 100 * 1024);
  const hello = [bin, 'ingest', '--json', 'hello'];
  const assembled = pair(hello, told, hello, briefly);
  row(
    '`ingest` with 50 turns of history, of a 200 MB transcript',
    assembled,
    '< 1.1 × of a short one',
    `${f(assembled.ratio)} × of a short one`,
  );

  const plain = countSyncs(one, ['ingest', '--json', 'hello']);
  // The first id of a month makes the month's folder; the later ones are the everyday case.
  const withId = median(
    [1, 2, 3, 4, 5, 6, 7].map(id =>
      countSyncs(one, [
        'ingest',
        '--json',
        '--channel',
        'telegram',
        '--from',
        '1',
        '--id',
        `b${id}`,
        'hello',
      ]),
    ),
  );
  const table = [
    '| work | measured | median | peak memory | bar |',
    '|---|---|---|---|---|',
    ...rows.map(cells => `| ${cells.join(' | ')} |`),
    '',
    ...(perMinute.includes(null)
      ? []
      : [
          `Processor time of an idle minute: ${f(perMinute[0], 0)} ms (one tick; bare node ${f(perMinute[1], 0)} ms), and no memory between. The resident gateways use 500 ms, and hold 770 MB.`,
          '',
        ]),
    `Syncs per uncontended turn: ${plain}, with a message id ${withId} (aim: 6). Node ${process.version}, ${os.cpus().length} cores, ${runs} pairs each.`,
  ].join('\n');
  console.log(table);
  if (process.argv.includes('--readme')) {
    const readme = path.join(root, 'README.md');
    const text = fs.readFileSync(readme, 'utf8');
    fs.writeFileSync(
      readme,
      text.replace(
        /<!-- bench:begin -->[\s\S]*<!-- bench:end -->/,
        `<!-- bench:begin -->\n${table}\n<!-- bench:end -->`,
      ),
    );
  }
} finally {
  fs.rmSync(work, { recursive: true, force: true });
}

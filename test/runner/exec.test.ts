import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SHIM_NAME, SHIM_SCRIPT } from '../../src/core/runner/shim.ts';
import { exec, findProgram } from '../../src/runner/exec.ts';
import { agent, groupMembers, lives, newSetting, type Setting, start } from './exec-setting.ts';

let setting: Setting;
beforeEach(() => {
  setting = newSetting();
});
afterEach(() => setting.remove());

const linux = process.platform === 'linux';

describe('what goes in and comes out', () => {
  test('P01 openclaw#54824: 300 KB arrive complete on stdin, and stdin is closed behind them', async () => {
    const stdin = `${'ü'.repeat(150_000)}end`;
    const run = await exec(start(setting, 'read-stdin.sh', { stdin }));
    expect(run).toMatchObject({ exitCode: 0, signal: null, spawnError: null, invalidUtf8: false });
    expect(run.stdout).toBe(stdin);
  });

  test('a program that reads nothing of 300 KB is no error', async () => {
    const run = await exec(start(setting, 'say.sh', { args: ['fine'], stdin: 'x'.repeat(300_000) }));
    expect(run).toMatchObject({ exitCode: 0, stdout: 'fine', spawnError: null });
  });

  test('without a prompt stdin is empty, not a terminal and not open', async () => {
    expect(await exec(start(setting, 'read-stdin.sh', { stdin: null }))).toMatchObject({
      exitCode: 0,
      stdout: '',
    });
  });

  test('Z04 CVE-2026-28463: arguments are data, whatever they look like', async () => {
    const args = [
      '$(touch x)',
      '`touch x`',
      '; touch x',
      '--help',
      '-c',
      'two\nlines',
      '',
      '*',
      '~',
      '"$@"',
      "it's",
      '\\',
    ];
    const run = await exec(start(setting, 'print-args.mjs', { args }));
    expect(JSON.parse(run.stdout).args).toEqual(args);
    expect(fs.readdirSync(setting.workspace)).toEqual([]);
  });

  test('it runs in its working directory, with the environment it was given and no other', async () => {
    process.env.CLAW_TEST_SECRET = 'leaked';
    const request = start(setting, 'print-env.sh');
    const run = await exec({ ...request, env: { ...request.env, GREETING: "it's $HOME" } });
    delete process.env.CLAW_TEST_SECRET;
    const names = run.stdout.split('\n').map(line => line.split('=')[0]);
    expect(run.stdout).toContain("GREETING=it's $HOME\n");
    // What a shell may add for itself; nothing of this process.
    const own = ['PATH', 'CLAW_RUN_ID', 'GREETING', 'PWD', 'OLDPWD', 'SHLVL', '_', ''];
    expect(names.filter(name => !own.includes(name!))).toEqual([]);
    const where = await exec({ ...request, command: 'pwd' });
    expect(fs.realpathSync(where.stdout.trim())).toBe(fs.realpathSync(setting.workspace));
  });

  test('5 MB come through whole', async () => {
    const run = await exec(start(setting, 'print-bytes.mjs', { args: ['5000000'] }));
    expect(run).toMatchObject({ exitCode: 0, tooMuchOutput: false });
    expect(run.stdout).toHaveLength(5_000_000);
  });

  test('more than the limit ends the run, and what fits is kept', async () => {
    const request = start(setting, 'print-bytes.mjs', { args: ['50000000'], maxOutputBytes: 100_000 });
    const run = await exec(request);
    expect(run.tooMuchOutput).toBe(true);
    expect(run.stdout).toHaveLength(100_000);
  });

  test('exactly the limit is not too much', async () => {
    const run = await exec(start(setting, 'print-bytes.mjs', { args: ['100000'], maxOutputBytes: 100_000 }));
    expect(run).toMatchObject({ exitCode: 0, tooMuchOutput: false });
  });

  test('T05 openclaw#69846: bytes that are no UTF-8 become U+FFFD, once said; separators and newlines stay', async () => {
    const run = await exec(start(setting, 'invalid-utf8.sh'));
    expect(run.invalidUtf8).toBe(true);
    expect(run.stdout).toMatch(/^a\ufffdb\ufffd+c\u2028d\ne\n$/);
  });

  test('characters split over writes are whole, in the result and in every piece', async () => {
    const pieces: string[] = [];
    const heard = path.join(setting.folder, 'heard');
    const onText = (text: string) => {
      pieces.push(text);
      fs.writeFileSync(heard, '');
    };
    const run = await exec(start(setting, 'split-utf8.mjs', { args: [heard], onText }));
    expect(run).toMatchObject({ stdout: 'grün € 𝄞', invalidUtf8: false });
    expect(pieces.join('')).toBe('grün € 𝄞');
    expect(pieces.join('|')).not.toContain('\ufffd');
    expect(pieces.length).toBeGreaterThan(1);
  });

  test('of stderr the end is kept', async () => {
    const script =
      'i=0; while [ $i -lt 3000 ]; do echo "line $i of a long complaint, padded ......" >&2; i=$((i+1)); done';
    const run = await exec(start(setting, '', { command: '/bin/sh', args: ['-c', script] }));
    // Whole lines: the one that was cut may have begun within a secret.
    expect(run.stderr.length).toBeGreaterThan(64 * 1024 - 100);
    expect(run.stderr).toMatch(/^line /);
    expect(run.stderr).toMatch(/line 2999 .*\n$/);
  });
});

describe('how it ends', () => {
  test('with its own status', async () => {
    const run = await exec(start(setting, 'say.sh', { args: ['out', 'err', '3'] }));
    expect(run).toMatchObject({ exitCode: 3, signal: null, stdout: 'out', stderr: 'err', spawnError: null });
  });

  test('death by a signal has no exit code that could be taken for success', async () => {
    const run = await exec(start(setting, 'kill-self.sh'));
    expect(run).toMatchObject({ exitCode: null, signal: 'SIGKILL', stdout: 'nearly done\n' });
  });

  test('at the time limit', async () => {
    const run = await exec(start(setting, 'hang.sh', { timeoutMs: 1000 }));
    expect(run).toMatchObject({ timedOut: true, idleTimedOut: false, exitCode: null, signal: 'SIGTERM' });
    expect(lives(Number(run.stdout))).toBe(false);
  });

  test('after too long a silence, counted from the last byte', async () => {
    const run = await exec(start(setting, 'hang.sh', { idleTimeoutMs: 1000 }));
    expect(run).toMatchObject({ idleTimedOut: true, timedOut: false });
    expect(run.stdout).not.toBe('');
  });

  test('but not while it still talks, be it on stderr', async () => {
    const run = await exec(start(setting, 'keep-talking.sh', { idleTimeoutMs: 900 }));
    expect(run).toMatchObject({ exitCode: 0, idleTimedOut: false, stdout: 'finished\n' });
  });

  test('a limit of weeks does not fire at once', async () => {
    const request = { args: ['a'], timeoutMs: 2 ** 40, idleTimeoutMs: 2 ** 40 };
    expect(await exec(start(setting, 'say.sh', request))).toMatchObject({ exitCode: 0, timedOut: false });
  });

  test('by SIGKILL after the grace when it ignores SIGTERM', async () => {
    const run = await exec(start(setting, 'hang-ignoring-term.sh', { timeoutMs: 1000, killGraceMs: 200 }));
    expect(run).toMatchObject({ timedOut: true, signal: 'SIGKILL' });
    expect(groupMembers(Number(run.stdout))).toEqual([]);
  });

  test('P03 openclaw#133062: when the caller aborts, the whole process group ends', async () => {
    const stop = new AbortController();
    let before: number[] = [];
    const onText = (text: string) => {
      before = groupMembers(Number(text.split(' ')[0]));
      stop.abort();
    };
    const run = await exec(start(setting, 'hang-with-child.sh', { signal: stop.signal, onText }));
    const [group, child] = run.stdout.split(' ').map(Number);
    expect(new Set(before)).toEqual(new Set([group, child]));
    expect(run.aborted).toBe(true);
    expect(groupMembers(group!)).toEqual([]);
    expect(lives(child!)).toBe(false);
  });

  test('P03 openclaw#102172: with keepChildren only the program is ended, though it ignores SIGTERM; what it started lives on', async () => {
    const script = "trap '' TERM; sleep 600 >/dev/null 2>&1 & echo $$ $!; while :; do sleep 0.1; done";
    const request = { command: '/bin/sh', args: ['-c', script], timeoutMs: 1000, killGraceMs: 100 };
    const run = await exec(start(setting, '', { ...request, keepChildren: true, pipeGraceMs: 300 }));
    const [program, child] = run.stdout.split(' ').map(Number);
    expect(run).toMatchObject({ timedOut: true, exitCode: null, signal: 'SIGKILL' });
    expect([program!, child!].map(lives)).toEqual([false, true]);
    process.kill(child!, 'SIGKILL');
  });

  test('P03 openclaw#102172: with keepChildren a failure of its own ends nobody else either', async () => {
    const script = 'sleep 600 >/dev/null 2>&1 & echo $!; exit 1';
    const run = await exec(
      start(setting, '', { command: '/bin/sh', args: ['-c', script], keepChildren: true }),
    );
    expect(run).toMatchObject({ exitCode: 1, outputHeldOpen: false });
    expect(lives(Number(run.stdout))).toBe(true);
    process.kill(Number(run.stdout), 'SIGKILL');
  });

  test('an abort before the start starts nothing', async () => {
    const run = await exec(start(setting, 'say.sh', { args: ['started'], signal: AbortSignal.abort() }));
    expect(run).toMatchObject({ aborted: true, exitCode: null, stdout: '' });
  });

  test.runIf(linux)(
    'P03 openclaw#121049: a grandchild that left the group with setsid ends with the run',
    async () => {
      const stop = new AbortController();
      const request = { signal: stop.signal, onText: () => stop.abort() };
      const run = await exec(start(setting, 'hang-with-daemon.sh', request));
      const daemon = Number(run.stdout.split(' ')[1]);
      expect(daemon).toBeGreaterThan(0);
      expect(lives(daemon)).toBe(false);
    },
  );

  test('after a failure nobody of the group is left', async () => {
    const script = 'sleep 600 >/dev/null 2>&1 & echo $$; exit 1';
    const run = await exec(start(setting, '', { command: '/bin/sh', args: ['-c', script] }));
    expect(run).toMatchObject({ exitCode: 1, outputHeldOpen: false });
    expect(groupMembers(Number(run.stdout))).toEqual([]);
  });

  test('after success a background process is left alone, and does not hold up the run', async () => {
    const run = await exec(start(setting, 'leave-child.sh', { pipeGraceMs: 200 }));
    const child = Number(run.stdout);
    expect(run).toMatchObject({ exitCode: 0, outputHeldOpen: true });
    expect(lives(child)).toBe(true);
    process.kill(child, 'SIGKILL');
  });

  test('an abort while only a background process holds the output does not undo the success', async () => {
    const stop = new AbortController();
    const watch = setInterval(() => {
      const program = groupOf(setting);
      if (program !== null && isReaped(program)) stop.abort();
    }, 20);
    const run = await exec(start(setting, 'leave-child.sh', { signal: stop.signal, pipeGraceMs: 30_000 }));
    clearInterval(watch);
    expect(run).toMatchObject({ exitCode: 0, aborted: false });
    expect(lives(Number(run.stdout))).toBe(false);
  });
});

/** The pid that registered itself, which is also its group; null when none did. */
function groupOf({ lease }: Setting): number | null {
  const name = fs.readdirSync(lease).find(entry => entry.startsWith('c-'));
  return name === undefined ? null : Number(name.split('-')[1]);
}

/**
 * Whether this process has heard of the end of one it started: Node reaps a child and tells of its exit in one step, and
 * before that a zombie is left, however long a busy machine takes.
 */
function isReaped(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

describe('the lease', () => {
  test('the program itself is registered while it runs, with its start time, and not afterwards', async () => {
    let names: string[] = [];
    let startTime = '';
    const stop = new AbortController();
    const onText = (text: string) => {
      names = fs.readdirSync(setting.lease);
      const stat = linux ? fs.readFileSync(`/proc/${Number(text)}/stat`, 'utf8') : '';
      startTime = linux ? stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]! : '0';
      stop.abort();
    };
    const run = await exec(start(setting, 'hang.sh', { onText, signal: stop.signal }));
    expect(names).toEqual([`c-${Number(run.stdout)}-${startTime}`]);
    expect(fs.readdirSync(setting.lease)).toEqual([]);
  });

  test('without the lease folder the program is never started', async () => {
    fs.rmdirSync(setting.lease);
    const run = await exec(start(setting, '', { command: '/bin/sh', args: ['-c', 'touch started'] }));
    expect(run).toMatchObject({ leaseLost: true, exitCode: 75 });
    expect(fs.readdirSync(setting.workspace)).toEqual([]);
  });

  test.runIf(linux)(
    'a lease folder that cannot be written is a failed start, not a lost session',
    async () => {
      // Nothing can be created below /proc, not even by root.
      const run = await exec(start(setting, 'say.sh', { args: ['started'], leaseFolder: '/proc/self' }));
      expect(run).toMatchObject({ leaseLost: false, stdout: '', spawnError: { code: 'UNREGISTERED' } });
    },
  );

  test('when it vanishes the run is ended', async () => {
    const onText = () => fs.rmSync(setting.lease, { recursive: true });
    const run = await exec(start(setting, 'hang-with-child.sh', { onText, leasePollMs: 20 }));
    expect(run).toMatchObject({ leaseLost: true, exitCode: null });
    expect(groupMembers(Number(run.stdout.split(' ')[0]))).toEqual([]);
  });

  test('when it vanished between two looks, success is not reported', async () => {
    const args = ['-c', `rm -r "${setting.lease}"; echo done`];
    const run = await exec(start(setting, '', { command: '/bin/sh', args }));
    expect(run).toMatchObject({ exitCode: 0, leaseLost: true });
  });

  test('a program may exit with 75 itself', async () => {
    const run = await exec(start(setting, 'say.sh', { args: ['x', '', '75'] }));
    expect(run).toMatchObject({ exitCode: 75, leaseLost: false, spawnError: null });
  });

  test('its time is renewed while the program runs', async () => {
    const stop = new AbortController();
    let watch: NodeJS.Timeout | undefined;
    // The start itself writes in the folder, too; from its first word on only the heartbeat does.
    const onText = () => {
      fs.utimesSync(setting.lease, 1000, 1000);
      watch = setInterval(() => {
        if (Date.now() - fs.statSync(setting.lease).mtimeMs < 60_000) stop.abort();
      }, 10);
    };
    const run = await exec(start(setting, 'hang.sh', { signal: stop.signal, heartbeatMs: 20, onText }));
    clearInterval(watch);
    expect(fs.readdirSync(setting.lease)).toEqual([]);
    expect(run.aborted).toBe(true);
  });

  test.each(['/bin/dash', '/bin/bash', '/bin/busybox'].filter(shell => fs.existsSync(shell)))(
    'the shim does the same in %s',
    shell => {
      const arguments_ = [
        ...(shell.endsWith('busybox') ? ['sh'] : []),
        '-c',
        SHIM_SCRIPT,
        SHIM_NAME,
        setting.lease,
      ];
      const printed = execFileSync(shell, [...arguments_, agent('print-args.mjs'), '* $HOME', ''], {
        encoding: 'utf8',
        input: '',
      });
      expect(JSON.parse(printed).args).toEqual(['* $HOME', '']);
      expect(fs.readdirSync(setting.lease)).toEqual([
        expect.stringMatching(linux ? /^c-\d+-[1-9]\d*$/ : /^c-\d+-0$/),
      ]);
    },
  );
});

describe('programs that cannot be started', () => {
  test.each([
    ['no-such-agent', 'ENOENT', /no program "no-such-agent" on PATH/],
    ['/no/such/agent', 'ENOENT', /"\/no\/such\/agent" does not exist/],
    ['./agent.sh', 'ENOENT', /workspace\/agent\.sh" does not exist/],
    ['./notes.txt', 'EACCES', /is not executable/],
    ['/tmp/', 'EACCES', /is not a file/],
    ['', 'ENOENT', /does not exist|no program/],
  ])('%j', async (command, code, message) => {
    fs.writeFileSync(path.join(setting.workspace, 'notes.txt'), '');
    const run = await exec(start(setting, '', { command }));
    expect(run.spawnError?.code).toBe(code);
    expect(run.spawnError?.message).toMatch(message);
    expect(fs.readdirSync(setting.lease)).toEqual([]);
  });

  test('a missing interpreter', async () => {
    const run = await exec(start(setting, 'no-interpreter.sh'));
    expect(run.spawnError).toMatchObject({ code: 'ENOENT' });
    expect(run.spawnError?.message).toContain('cannot be executed');
  });

  test.each(['127', '126'])('its own status %s is no failed start', async status => {
    const run = await exec(start(setting, 'say.sh', { args: ['', 'sh: foo: not found', status] }));
    expect(run).toMatchObject({ exitCode: Number(status), spawnError: null });
  });

  test('more arguments than the system takes', async () => {
    const run = await exec(
      start(setting, 'say.sh', { args: Array.from({ length: 100 }, () => 'x'.repeat(100_000)) }),
    );
    expect(run.spawnError?.code).toBe('E2BIG');
    expect(run.spawnError?.message).not.toContain('xxx');
  });

  test('a missing working directory', async () => {
    const run = await exec(start(setting, 'say.sh', { cwd: path.join(setting.folder, 'nowhere') }));
    expect(run.spawnError).not.toBeNull();
  });

  test('a command with a slash is looked for in the working directory, others on PATH, never in its relative parts', async () => {
    fs.copyFileSync(agent('say.sh'), path.join(setting.workspace, 'say'));
    const file = path.join(setting.workspace, 'say');
    expect(await findProgram('./say', setting.workspace, '/bin')).toEqual({ file });
    expect(await findProgram('say', setting.workspace, `/nowhere:${setting.workspace}`)).toEqual({ file });
    expect(await findProgram('say', setting.workspace, ':.:')).toMatchObject({ code: 'ENOENT' });
    expect(await findProgram('sh', setting.workspace)).toMatchObject({
      file: expect.stringMatching(/\/sh$/),
    });
  });
});

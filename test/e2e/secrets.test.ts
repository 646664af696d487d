/** Secrets of configuration and environment, attacked: whatever an agent or a command prints, and however, they stay where they are. */
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { BIN, Home, type Outcome, withRunner } from './claw.ts';
import { program } from './support.ts';

const SECRET = 'Tr0ub4dor-canary-7f3a91';

let home: Home;
afterEach(() => home.cleanUp());

/** Every file below the home of claw but those in which the configuration stands. */
function files(): string {
  const names = fs.readdirSync(home.dir, { recursive: true, encoding: 'utf8' });
  return names
    .filter(name => name !== 'claw.json' && !name.startsWith('cache'))
    .filter(name => fs.statSync(home.path(name)).isFile())
    .map(name => `${name}\n${fs.readFileSync(home.path(name), 'latin1')}`)
    .join('\n');
}

/** No six characters of a secret in a row: half of one is half of the work. */
function expectNone(text: string, secret = SECRET): void {
  const parts = Array.from({ length: secret.length - 5 }, (_, at) => secret.slice(at, at + 6));
  expect(parts.filter(part => text.includes(part))).toEqual([]);
}

const shown = (run: Outcome) => run.stdout + run.stderr;

/** An agent that is a line of shell. */
const shell = (script: string, more: object = {}, rest: object = {}) =>
  withRunner({ command: '/bin/sh', args: ['-c', script], env: { API_KEY: SECRET }, ...more }, rest);

function witness(more: object = {}, ofAgent: object = {}): void {
  home = new Home();
  const folder = path.join(home.folder, 'agent');
  fs.mkdirSync(folder);
  fs.writeFileSync(path.join(folder, 'claw'), `${process.execPath}\n${BIN}\n`);
  const runner = {
    command: program('witness.mjs'),
    args: [folder],
    context: 'none',
    env: { API_KEY: SECRET },
  };
  home.config({
    agents: { defaults: { runner: 'agent', ...ofAgent } },
    runners: { agent: { ...runner, ...more } },
  });
}

const JSONL = {
  output: 'jsonl',
  pick: {
    text: { at: 'text', when: { type: 'reply' } },
    delta: { at: 'text', when: { type: 'delta' } },
    toolCall: { at: 'name', when: { type: 'tool' } },
    thinking: { at: 'text', when: { type: 'thinking' } },
  },
};

describe('a secret that an agent prints in two halves', () => {
  it.each(['text', 'jsonl'])('is not streamed (%s)', output => {
    witness();
    if (output === 'jsonl') witness({ ...JSONL, args: [path.join(home.folder, 'agent'), '--id', 'x'] });
    const text = home.run(['ingest', '--stream', '!pieces API_KEY']);
    expect(text).toMatchObject({ status: 0, stdout: 'it is ***, all of it\n' });
    const json = home.run(['ingest', '--stream', '--json', '!pieces API_KEY']);
    const deltas = json
      .lines()
      .filter(line => 'delta' in line || line.event === 'delta' || line.type === 'delta');
    expect(deltas.length).toBeGreaterThan(1);
    expectNone(shown(json));
    expectNone(files());
    expect(files()).toContain('it is ***, all of it');
  });

  it('of which the second never comes, because it was stopped', () => {
    home = new Home(
      shell('printf "key %.15s" "$API_KEY"; printf "%.15s" "$API_KEY" >&2; exec sleep 60', {
        timeoutSeconds: 1,
      }),
    );
    const run = home.run(['ingest', '--json', 'hello']);
    expect(run.status).toBe(69);
    expectNone(shown(run));
    expectNone(files());
    expect(files()).toContain('"output":"key ***"');
  });
});

describe('a secret in another form', () => {
  it.each([
    [
      'in JSON',
      'with "quotes" and\\backslash',
      'printf %s "$API_KEY" | sed \'s/\\\\/\\\\\\\\/g; s/"/\\\\"/g\'',
    ],
    ['in an address', 'with space/and+plus', 'printf %s "$API_KEY" | sed "s/ /%20/g; s,/,%2F,g; s/+/%2B/g"'],
    ['on its own without the newline it is given with', 'a-long-secret-value\n', 'printf %s "$API_KEY"'],
    [
      'in the address of a database',
      'postgres://user:pa55word-1234@db/x',
      'echo "$API_KEY" | cut -d: -f3 | cut -d@ -f1',
    ],
    [
      'as lines of a key',
      'KEY BEGIN-------\nMIIEvQIBADANBgkqhkiG\nAoGBAKj34GkxFhD90vcN',
      'printf "%s" "$API_KEY" | tail -n1',
    ],
  ])('%s is masked as well', (_, value, script) => {
    home = new Home(shell(script, { env: { API_KEY: value } }));
    expect(home.run(['ingest', 'hello']).stdout).toBe('***\n');
  });

  it('is masked by its place, whatever it is named: an address with a password', () => {
    home = new Home(shell('echo "$DB"', { env: { DB: 'postgres://user:pa55word-1234@db/x' } }));
    expect(home.run(['ingest', 'hello']).stdout).toBe('postgres://user:***@db/x\n');
  });

  it('what is no secret is left: names of places, words, short values', () => {
    const env = {
      SSH_AUTH_SOCK: '/run/agent.sock',
      KEY_FILE: '/home/ada/key',
      MODE: 'interactive',
      PIN_KEY: '1234',
    };
    home = new Home(shell('echo $SSH_AUTH_SOCK $KEY_FILE $MODE $PIN_KEY $CLAW_SESSION_KEY', { env }));
    expect(home.run(['ingest', 'hello']).stdout).toBe(
      '/run/agent.sock /home/ada/key interactive 1234 agent:main:main\n',
    );
  });
});

describe('a variable that runner and agent both set', () => {
  it('is masked, whichever of the values an agent gets', () => {
    witness({ env: { API_KEY: SECRET } }, { env: { API_KEY: 'another-canary-4711' } });
    const run = home.run(['ingest', '!env API_KEY']);
    expect(run.stdout).toBe('API_KEY=***\n');
  });
});

describe('the environment of claw itself', () => {
  it('does not reach an agent, nor, where an agent reads it behind claw’s back, a chat or a transcript', () => {
    home = new Home(shell('env; echo; tr "\\0" "\\n" < /proc/$PPID/environ; true', { env: {} }));
    const run = home.run(['ingest', 'hello'], {
      env: { TELEGRAM_BOT_TOKEN: SECRET, CLAW_SECRET_THING: 'x' },
    });
    expect(run.status).toBe(0);
    expectNone(shown(run));
    expectNone(files());
  });
});

describe('what an agent thinks, does and saves', () => {
  it('stands masked in the transcript, in thoughts of several pieces too', () => {
    witness();
    witness({ ...JSONL, args: [path.join(home.folder, 'agent'), '--id', 'x'] });
    home.run(['ingest', '!pieces API_KEY']);
    const lines = [...home.transcripts().values()].flat();
    const thoughts = lines.filter(line => line.type === 'thinking').map(line => line.text);
    expect(thoughts.join('')).toBe('it is ***, all of it');
    expect(lines.find(line => line.type === 'tool_call').name).toBe('read it is ***, all of it');
    for (const args of [
      ['history', 'main', '--tools'],
      ['export', 'main', '--format', 'html'],
      ['export', 'main', '--format', 'jsonl'],
    ])
      expectNone(shown(home.run(['sessions', ...args])));
  });

  it('a summary, and the notes it saves before one, hold none', () => {
    home = new Home(
      shell(
        'case "$(cat)" in "Your conversation with the person has grown long"*) echo "They gave $API_KEY." ;; *"will soon be summarised"*) echo "Keep $API_KEY." ;; *) echo "Fine." ;; esac',
        { context: 'claw' },
        { session: { reset: { mode: 'off' } } },
      ),
    );
    const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({ ...config, agents: { defaults: { ...config.agents.defaults, contextTokens: 2000 } } });
    for (let at = 0; at < 16; at++) home.run(['ingest', `${at} ${'word '.repeat(80)}`]);
    const kept = files();
    expect(kept).toContain('They gave ***.');
    expect(kept).toContain('Keep ***.');
    expectNone(kept);
  });
});

describe('a command of a job', () => {
  it('has the operator’s environment and tells nobody what in it is secret', () => {
    home = new Home(
      shell(
        'cat',
        { env: { API_KEY: SECRET } },
        { channels: { telegram: { allowFrom: ['1'], send: { file: 'sent' } } } },
      ),
    );
    const env = { MAIL_PASSWORD: SECRET };
    home.run([
      'cron',
      'add',
      '--name',
      'a',
      '--every',
      '1d',
      '--deliver',
      '--channel',
      'telegram',
      '--to',
      '1',
      '--exec',
      '/bin/sh',
      '-c',
      'echo mail $MAIL_PASSWORD',
    ]);
    home.run([
      'cron',
      'add',
      '--name',
      'b',
      '--every',
      '1d',
      '--exec',
      '/bin/sh',
      '-c',
      `printf %480s x >&2; echo $MAIL_PASSWORD >&2; exit 1`,
    ]);
    home.run([
      'cron',
      'add',
      '--name',
      'c',
      '--every',
      '1d',
      '--precheck',
      'echo found $MAIL_PASSWORD',
      '--message',
      'look',
    ]);
    const outputs = ['a', 'b', 'c'].map(id =>
      shown(home.run(['cron', 'run', id, '--force', '--json'], { env })),
    );
    outputs.push(shown(home.run(['tick'], { env })));
    for (const id of ['a', 'b', 'c']) outputs.push(shown(home.run(['cron', 'runs', id, '--json'])));
    expect(files()).toContain('mail ***');
    expect(files()).toContain('found ***');
    expectNone(outputs.join('\n'));
    expectNone(files());
  });
});

describe('a program that sends', () => {
  it('and fails with a key on its lips, cut anywhere, leaves none of it', () => {
    home = new Home(
      withRunner(
        { command: 'cat' },
        {
          channels: {
            x: {
              allowFrom: ['1'],
              send: {
                command: '/bin/sh',
                args: ['-c', 'printf "refused %s" "$KEY" >&2; printf "%290s" . >&2; exit 1'],
                env: { KEY: SECRET },
              },
            },
          },
        },
      ),
    );
    const runs = [
      home.run(['message', 'send', '--to', 'x:1', '--message', 'hello']),
      home.run(['tick']),
      home.run(['delivery', 'list', '--all', '--json']),
    ];
    expect(runs[2]!.stdout).toContain('sender ended with exit 1');
    expectNone(runs.map(shown).join('\n'));
    expectNone(files());
  });
});

describe('files of a run', () => {
  it('are for nobody else’s eyes, and gone when it ends', () => {
    const script = 'ls -ld "$(dirname "$1")" "$1" "$2" | cut -c1-10; echo "$1"';
    home = new Home(
      withRunner({
        command: '/bin/sh',
        args: ['-c', script, 'agent', '{{PromptFile}}', '{{SystemPromptFile}}'],
      }),
    );
    const config = JSON.parse(fs.readFileSync(home.path('claw.json'), 'utf8'));
    home.config({
      ...config,
      agents: { defaults: { ...config.agents.defaults, systemPrompt: 'You are Mia.' } },
    });
    const [folder, prompt, system, name] = home.run(['ingest', 'hello']).stdout.trim().split('\n');
    expect([folder, prompt, system]).toEqual(['drwx------', '-rw-------', '-rw-------']);
    expect(fs.existsSync(path.dirname(name!))).toBe(false);
  });
});

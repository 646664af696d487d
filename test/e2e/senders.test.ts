import { createHmac } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Home, type Outcome, withRunner } from './claw.ts';
import {
  type Behaviour,
  DISCORD_TOKEN,
  discordDouble,
  NTFY_TOKEN,
  ntfyDouble,
  type Override,
  type Request,
  Server,
  SLACK_TOKEN,
  slackDouble,
  TELEGRAM_TOKEN,
  telegramDouble,
} from './services.ts';
import { HOUR, until } from './support.ts';

let home: Home;
let server: Server | null = null;
afterEach(async () => {
  await server?.stop();
  server = null;
  home.cleanUp();
});

const SECRETS = {
  SECRET_T: TELEGRAM_TOKEN,
  SECRET_S: SLACK_TOKEN,
  SECRET_D: DISCORD_TOKEN,
  SECRET_N: NTFY_TOKEN,
};
const HOOK_SECRET = 'whsec_bm90LWEtcmVhbC1zZWNyZXQ=';

interface Service {
  name: string;
  double: (over?: Override) => Behaviour;
  send: (url: string) => Record<string, any>;
  textOf: (request: Request) => string;
  /** what tells a repetition from a new message; null: the service has nothing */
  keyOf: ((request: Request) => string) | null;
  /** largest message and how it is measured; null: any */
  most: { size: number; of: (text: string) => number } | null;
  busy: ReturnType<Override>;
  refusal: ReturnType<Override>;
}

const units = (text: string) => text.length;
const SERVICES: Service[] = [
  {
    name: 'telegram',
    double: telegramDouble,
    send: apiUrl => ({ telegram: { tokenEnv: 'SECRET_T', apiUrl } }),
    textOf: request => request.json.text,
    keyOf: null,
    most: { size: 4096, of: units },
    busy: {
      status: 429,
      body: {
        ok: false,
        error_code: 429,
        description: 'Too Many Requests: retry after 3600',
        parameters: { retry_after: 3600 },
      },
    },
    refusal: {
      status: 403,
      body: { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' },
    },
  },
  {
    name: 'slack',
    double: slackDouble,
    send: apiUrl => ({ slack: { tokenEnv: 'SECRET_S', apiUrl } }),
    textOf: request => request.json.text,
    keyOf: request => request.json.metadata.event_payload.key,
    most: { size: 4000, of: units },
    busy: { status: 429, headers: { 'Retry-After': '3600' }, body: { ok: false, error: 'ratelimited' } },
    refusal: { status: 200, body: { ok: false, error: 'channel_not_found' } },
  },
  {
    name: 'discord',
    double: discordDouble,
    send: apiUrl => ({ discord: { tokenEnv: 'SECRET_D', apiUrl } }),
    textOf: request => request.json.content,
    keyOf: request => request.json.nonce,
    most: { size: 2000, of: units },
    busy: {
      status: 429,
      body: { message: 'You are being rate limited.', retry_after: 3600.5, global: false },
    },
    refusal: { status: 403, body: { code: 50007, message: 'Cannot send messages to this user' } },
  },
  {
    name: 'ntfy',
    double: ntfyDouble,
    send: url => ({ ntfy: { url, topic: 'alerts', tokenEnv: 'SECRET_N' } }),
    textOf: request => request.text,
    keyOf: null,
    most: { size: 4096, of: text => Buffer.byteLength(text) },
    busy: {
      status: 429,
      headers: { 'Retry-After': '3600' },
      body: { code: 42901, http: 429, error: 'limit reached' },
    },
    refusal: { status: 403, body: { code: 40301, http: 403, error: 'forbidden' } },
  },
  {
    name: 'webhook',
    double: over => (request, index) => over?.(request, index) ?? { status: 204, body: '' },
    send: url => ({ webhook: { url: `${url}/hook` } }),
    textOf: request => request.json.text,
    keyOf: request => String(request.headers['idempotency-key']),
    most: null,
    busy: { status: 503, headers: { 'Retry-After': '3600' }, body: 'later' },
    refusal: { status: 410, body: 'gone' },
  },
];

async function serve(service: Service, over?: Override): Promise<Server> {
  server = await Server.start(service.double(over));
  return server;
}

function useSender(send: object, rest: object = {}): void {
  home.config(withRunner({ command: 'cat' }, { channels: { chat: { send } }, ...rest }));
}

const claw = (
  args: string[],
  options: { input?: string; env?: Record<string, string> } = {},
): Promise<Outcome> => home.start(args, { ...options, env: { ...SECRETS, ...options.env } }).done;

const push = (text: string) =>
  claw(['message', 'send', '--json', '--to', 'chat:4711', '--message', text]).then(run => run.json());

const deliveries = async (...args: string[]) =>
  (await claw(['delivery', 'list', '--json', ...args])).json().deliveries as any[];

/** As if so much time had gone by since the last attempt of everything in the outbox. */
function age(ms: number): void {
  const folder = home.path('outbox');
  for (const name of fs.readdirSync(folder).filter(each => each.endsWith('.json'))) {
    const file = path.join(folder, name);
    const item = JSON.parse(fs.readFileSync(file, 'utf8'));
    item.createdAt -= ms;
    for (const attempt of item.attempts) attempt.at -= ms;
    if (item.notBefore) item.notBefore -= ms;
    fs.writeFileSync(file, JSON.stringify(item));
  }
}

/** Everything that claw wrote or that it printed holds none of these. */
function expectNoSecrets(runs: Outcome[], secrets: string[]): void {
  const texts = runs.flatMap(run => [run.stdout, run.stderr]);
  for (const name of fs.readdirSync(home.dir, { recursive: true, encoding: 'utf8' })) {
    const file = home.path(name);
    // The checked config is kept with its text, for this user alone.
    if (name === 'claw.json' || name.startsWith('cache')) continue;
    if (fs.statSync(file).isFile()) texts.push(fs.readFileSync(file, 'utf8'));
  }
  for (const secret of secrets) expect(texts.join('\n')).not.toContain(secret);
}

describe.each(SERVICES)('through $name', service => {
  const setUp = async (over?: Override, more: object = {}) => {
    home = new Home();
    const { url } = await serve(service, over);
    const send = service.send(url);
    const [kind] = Object.keys(send);
    useSender({ [kind!]: { ...send[kind!], ...more } });
  };

  it('a reply arrives as the API wants it, once', async () => {
    await setUp();
    const text = 'Grüße 👋 <b> & "quotes"\n$(touch pwned) --help';
    expect(await push(text)).toMatchObject({ sent: true, reason: null });
    await claw(['tick']);
    expect(server!.requests).toHaveLength(1);
    const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    expect(service.textOf(server!.requests[0]!)).toBe(service.name === 'slack' ? escaped : text);
    expect(await deliveries()).toEqual([]);
    expect(await deliveries('--sent')).toMatchObject([{ state: 'sent', text, to: '4711', channel: 'chat' }]);
  });

  it('a long reply goes in pieces that it takes, in order and whole', async () => {
    await setUp();
    const paragraph = (n: number) => `${n}. ${'Zażółć gęślą jaźń & 👩‍👩‍👧 '.repeat(12)}`.trim();
    const text = Array.from({ length: 30 }, (_, n) => paragraph(n)).join('\n\n');
    expect(await push(text)).toMatchObject({ sent: true });
    const parts = server!.requests.map(service.textOf).map(each => each.replaceAll('&amp;', '&'));
    if (service.most === null) expect(parts).toEqual([text]);
    else {
      expect(parts.length).toBeGreaterThan(1);
      for (const part of server!.requests.map(service.textOf))
        expect(service.most.of(part)).toBeLessThanOrEqual(service.most.size);
      expect(parts.join('\n\n')).toBe(text);
    }
    if (service.keyOf) expect(new Set(server!.requests.map(service.keyOf)).size).toBe(parts.length);
  });

  it('asked to wait, it waits as long, and then sends (openclaw#112313)', async () => {
    let busy = true;
    await setUp(() => (busy ? service.busy : undefined));
    expect(await push('hello')).toMatchObject({ sent: false });
    const [waiting] = await deliveries();
    expect(waiting).toMatchObject({
      state: 'waiting',
      failures: 1,
      lastError: expect.stringMatching(/429|503/),
    });
    const wait = Date.parse(waiting.nextAttemptAt) - Date.now();
    expect(wait).toBeGreaterThan(59 * 60_000);
    expect(wait).toBeLessThan(61 * 60_000);
    busy = false;
    age(HOUR / 2);
    await claw(['tick']);
    expect(server!.requests).toHaveLength(1);
    age(HOUR / 2 + 2000);
    await claw(['tick']);
    expect(server!.requests).toHaveLength(2);
    if (service.keyOf) expect(new Set(server!.requests.map(service.keyOf)).size).toBe(1);
    expect(await deliveries()).toEqual([]);
  });

  it('refused for good, it is not tried again, and stays with its text and reason (openclaw#33403)', async () => {
    await setUp(() => service.refusal);
    await push('hello');
    age(48 * HOUR);
    await claw(['tick']);
    expect(server!.requests).toHaveLength(1);
    expect(await deliveries('--dead')).toMatchObject([{ state: 'dead', text: 'hello', nextAttemptAt: null }]);
  });

  it.each([
    ['does not answer', 'hang', /did not answer within 0.3 s/],
    ['closes the connection', 'reset', /cannot be reached \(\w+\)/],
    ['fails itself', { status: 500, body: 'oops' }, /HTTP 500.*oops/],
  ] as const)('a service that %s: the reply waits', async (_, reply, reason) => {
    await setUp(() => reply, { timeoutSeconds: 0.3 });
    expect(await push('hello')).toMatchObject({ sent: false, reason: expect.stringMatching(reason) });
    expect(await deliveries()).toMatchObject([
      { state: 'waiting', lastError: expect.stringMatching(reason) },
    ]);
  });

  it('an answer that cannot be read is no success, where the API has one to give', async () => {
    for (const reply of ['torn', { status: 200, body: '<html>Please log in</html>' }] as const) {
      await setUp(() => reply);
      expect(await push('hello')).toMatchObject({ sent: service.name === 'webhook' });
      await server!.stop();
      home.cleanUp();
    }
    await setUp();
  });

  it('a redirection to another host is not followed, and nothing goes there', async () => {
    const other = await Server.start(() => ({ status: 200, body: { ok: true, id: '1' } }));
    await setUp(() => ({ status: 307, headers: { Location: `http://localhost:${other.port}/hook` } }));
    expect(await push('hello')).toMatchObject({
      sent: false,
      reason: expect.stringContaining('redirection'),
    });
    expect(other.requests).toEqual([]);
    await other.stop();
  });

  it('a service that is not there for a day gets the reply when it is back (openclaw#112313)', async () => {
    await setUp();
    const { port } = server!;
    const send = service.send(`http://127.0.0.1:${port}`);
    useSender(send);
    await server!.stop();
    expect(await push('hello')).toMatchObject({
      sent: false,
      reason: expect.stringContaining('ECONNREFUSED'),
    });
    for (let hour = 0; hour < 24; hour++) {
      age(HOUR + 1);
      if (hour % 8 === 0) await claw(['tick']);
    }
    expect(await deliveries()).toMatchObject([{ state: 'waiting', failures: 4 }]);
    server = await Server.start(service.double());
    useSender(service.send(server.url));
    age(HOUR + 1);
    await claw(['tick']);
    expect(server.requests.map(service.textOf)).toEqual(['hello']);
    expect(await deliveries()).toEqual([]);
  });

  it('killed when the service had it and claw did not know, it comes at most twice, with the same key (openclaw#29106)', async () => {
    let kill: () => void = () => {};
    await setUp((_, index) => {
      if (index > 0) return undefined;
      kill();
      return 'hang';
    });
    const run = home.start(['message', 'send', '--to', 'chat:4711', '--message', 'hello'], { env: SECRETS });
    kill = () => run.child.kill('SIGKILL');
    expect(await run.done).toMatchObject({ signal: 'SIGKILL' });
    expect(await deliveries()).toMatchObject([{ state: 'waiting', text: 'hello' }]);
    await claw(['tick']);
    await claw(['tick']);
    expect(server!.requests.map(service.textOf)).toEqual(['hello', 'hello']);
    if (service.keyOf) expect(new Set(server!.requests.map(service.keyOf)).size).toBe(1);
    expect(await deliveries('--all')).toMatchObject([{ state: 'sent' }]);
  });

  it('two ticks at once send it once', async () => {
    let release: () => void = () => {};
    const second = new Promise<void>(resolve => {
      release = resolve;
    });
    await setUp();
    const open = server!;
    useSender(service.send('http://127.0.0.1:9'));
    await push('hello');
    await open.stop();
    server = await Server.start(async (request, index) => {
      await second;
      return service.double()(request, index);
    });
    useSender(service.send(server.url));
    age(HOUR);
    const first = claw(['tick']);
    await until('the first tick sends', () => server!.requests.length === 1);
    await claw(['tick']);
    release();
    await first;
    expect(server.requests).toHaveLength(1);
    expect(await deliveries()).toEqual([]);
  });

  it('its secret is in no answer, log, record or listing (openclaw#25133)', async () => {
    await setUp(request => ({ status: 400, body: `no: ${JSON.stringify(request.headers)} ${request.path}` }));
    const send = service.send(server!.url);
    const kind = Object.keys(send)[0]!;
    const token = { telegram: TELEGRAM_TOKEN, slack: SLACK_TOKEN, discord: DISCORD_TOKEN, ntfy: NTFY_TOKEN }[
      kind
    ];
    const own = {
      ...send[kind],
      ...(token ? { token } : { headers: { 'X-Key': 'hook-key-123456' }, secret: HOOK_SECRET }),
    };
    delete own.tokenEnv;
    useSender({ [kind]: own });
    const runs = [
      await home.start(['message', 'send', '--to', 'chat:4711', '--message', 'hello']).done,
      await home.start(['tick']).done,
      await home.start(['delivery', 'list', '--json', '--all']).done,
      await home.start(['config', 'show']).done,
      await home.start(['config', 'show', '--effective', '--json']).done,
      await home.start(['config', 'get', `channels.chat.send.${kind}`]).done,
    ];
    expect(server!.requests).toHaveLength(1);
    expectNoSecrets(runs, [token ?? 'hook-key-123456', HOOK_SECRET]);
    expect(runs[3]!.stdout).toContain('(set)');
  });
});

describe('a reply of several messages', () => {
  it('that failed in the middle goes on there: nothing comes twice (openclaw#27018)', async () => {
    home = new Home();
    const telegram = SERVICES[0]!;
    await serve(telegram, (_, index) => (index === 2 ? { status: 502, body: 'bad gateway' } : undefined));
    useSender(telegram.send(server!.url));
    const text = Array.from({ length: 5 }, (_, n) => `${n}${'x'.repeat(4000)}`).join('\n');
    expect(await push(text)).toMatchObject({ sent: false });
    expect(await deliveries()).toMatchObject([{ progress: { parts: 2 }, failures: 1 }]);
    age(HOUR);
    await claw(['tick']);
    const firsts = server!.requests.map(request => request.json.text[0]);
    expect(firsts).toEqual(['0', '1', '2', '2', '3', '4']);
    expect(await deliveries()).toEqual([]);
  });

  it('killed in the middle repeats at most the message under way', async () => {
    home = new Home();
    let kill: () => void = () => {};
    const discord = SERVICES[2]!;
    await serve(discord, (_, index) => {
      if (index !== 1) return undefined;
      kill();
      return 'hang';
    });
    useSender(discord.send(server!.url));
    const text = ['a', 'b', 'c'].map(each => each.repeat(1900)).join('\n');
    const run = home.start(['message', 'send', '--to', 'chat:4711', '--message', text], { env: SECRETS });
    kill = () => run.child.kill('SIGKILL');
    await run.done;
    await claw(['tick']);
    expect(server!.requests.map(({ json }) => json.content[0])).toEqual(['a', 'b', 'b', 'c']);
    const nonces = server!.requests.map(({ json }) => json.nonce);
    expect(nonces[1]).toBe(nonces[2]);
    expect(new Set(nonces).size).toBe(3);
  });
});

describe('where a reply goes', () => {
  const say = (...args: string[]) => claw(['ingest', '--channel', 'chat', '--deliver', ...args, 'hello']);

  it('a topic of a Telegram forum, but the general one, which the API does not know as a thread', async () => {
    home = new Home();
    await serve(SERVICES[0]!);
    useSender({ telegram: { tokenEnv: 'SECRET_T', apiUrl: server!.url, replyTo: true } });
    const group = ['--group=-100123', '--from', '7', '--mentioned'];
    await say(...group, '--thread', '42', '--id', '900');
    await say(...group, '--thread', '1');
    await say('--from', '7');
    expect(server!.requests.map(request => request.json)).toMatchObject([
      { chat_id: '-100123', message_thread_id: 42, reply_parameters: { message_id: 900 } },
      { chat_id: '-100123' },
      { chat_id: '7' },
    ]);
    expect(server!.requests[1]!.json).not.toHaveProperty('message_thread_id');
    expect(server!.requests[1]!.json).not.toHaveProperty('reply_parameters');
  });

  it('a thread of Slack; nobody is called by what an agent writes', async () => {
    home = new Home();
    await serve(SERVICES[1]!);
    useSender(SERVICES[1]!.send(server!.url));
    await claw([
      'ingest',
      '--channel',
      'chat',
      '--deliver',
      '--group',
      'C1',
      '--from',
      'U1',
      '--thread',
      '17.5',
      '--mentioned',
      '<!channel> hi',
    ]);
    expect(server!.requests[0]!.json).toMatchObject({
      channel: 'C1',
      thread_ts: '17.5',
      text: expect.stringContaining('&lt;!channel&gt;'),
    });
  });

  it('a person on Discord, whose private channel is opened first; a thread is a channel', async () => {
    home = new Home();
    await serve(SERVICES[2]!);
    useSender(SERVICES[2]!.send(server!.url));
    await say('--from', '55');
    await say('--group', '66', '--from', '55', '--thread', '77', '--mentioned');
    expect(server!.requests.map(request => request.path)).toEqual([
      '/users/@me/channels',
      '/channels/955/messages',
      '/channels/77/messages',
    ]);
  });

  it("a Discord webhook's channel, with its thread", async () => {
    home = new Home();
    await serve(SERVICES[2]!);
    useSender({ discord: { webhookUrl: `${server!.url}/webhooks/1/secret-part-of-it` } });
    await say('--group', '66', '--from', '55', '--thread', '77', '--mentioned');
    const [request] = server!.requests;
    expect(request).toMatchObject({ path: '/webhooks/1/secret-part-of-it' });
    expect(Object.fromEntries(request!.query)).toEqual({ wait: 'true', thread_id: '77' });
    expect((await claw(['config', 'show'])).stdout).not.toContain('secret-part');
  });

  it('an ntfy topic, with title and priority', async () => {
    home = new Home();
    await serve(SERVICES[4]!, () => ({ status: 200, body: { id: 'x' } }));
    useSender({ ntfy: { url: server!.url, topic: 'alerts', title: 'Grüße', priority: 4 } });
    await say('--from', '7');
    const { headers, path: place } = server!.requests[0]!;
    expect(place).toBe('/alerts');
    expect(headers.priority).toBe('4');
    expect(headers.title).toBe(`=?UTF-8?B?${Buffer.from('Grüße').toString('base64')}?=`);
    expect(headers).not.toHaveProperty('authorization');
  });

  it('a webhook, as one document with its key, its headers and a signature', async () => {
    home = new Home();
    await serve(SERVICES[4]!);
    useSender({
      webhook: {
        url: `${server!.url}/in?x=1`,
        headers: { 'X-From': 'claw' },
        headersEnv: { Authorization: 'SECRET_S' },
        secret: HOOK_SECRET,
      },
    });
    await say('--group', 'g', '--from', '7', '--thread', '9', '--id', 'm1', '--mentioned');
    const { headers, json, text, query } = server!.requests[0]!;
    expect(json).toEqual({
      deliveryId: expect.any(String),
      text: 'hello',
      to: 'g',
      channel: 'chat',
      accountId: 'default',
      chatType: expect.any(String),
      threadId: '9',
      replyTo: 'm1',
      sessionKey: expect.stringContaining('agent:main:chat:group:g'),
      agentId: 'main',
    });
    expect(query.get('x')).toBe('1');
    expect(headers).toMatchObject({
      'x-from': 'claw',
      authorization: SLACK_TOKEN,
      'idempotency-key': json.deliveryId,
      'webhook-id': json.deliveryId,
    });
    const key = Buffer.from(HOOK_SECRET.slice('whsec_'.length), 'base64');
    const signed = `${json.deliveryId}.${headers['webhook-timestamp']}.${text}`;
    expect(headers['webhook-signature']).toBe(
      `v1,${createHmac('sha256', key).update(signed).digest('base64')}`,
    );
  });

  it('a redirection within the host is followed with the message', async () => {
    home = new Home();
    await serve(SERVICES[4]!, request =>
      request.path === '/hook' ? { status: 308, headers: { Location: '/new' } } : undefined,
    );
    useSender(SERVICES[4]!.send(server!.url));
    expect(await push('hello')).toMatchObject({ sent: true });
    expect(server!.requests.map(request => [request.path, request.json?.text])).toEqual([
      ['/hook', 'hello'],
      ['/new', 'hello'],
    ]);
  });

  it("the account's own sender", async () => {
    home = new Home();
    await serve(SERVICES[4]!);
    const { url } = server!;
    home.config(
      withRunner(
        { command: 'cat' },
        {
          channels: {
            chat: {
              send: 'none',
              accounts: { work: { send: { webhook: { url: `${url}/work` } } } },
            },
          },
        },
      ),
    );
    await say('--from', '7', '--account', 'work');
    expect(server!.requests.map(request => request.path)).toEqual(['/work']);
  });
});

describe('a secret', () => {
  it('comes from a file that others cannot read; until then the reply waits', async () => {
    home = new Home();
    await serve(SERVICES[0]!);
    const file = path.join(home.folder, 'token');
    fs.writeFileSync(file, `${TELEGRAM_TOKEN}\n`, { mode: 0o644 });
    useSender({ telegram: { tokenFile: file, apiUrl: server!.url } });
    expect(await push('hello')).toMatchObject({ sent: false, reason: expect.stringContaining('chmod 600') });
    expect(server!.requests).toEqual([]);
    fs.chmodSync(file, 0o600);
    age(HOUR);
    await claw(['tick']);
    expect(server!.requests).toHaveLength(1);
    expectNoSecrets([], [TELEGRAM_TOKEN]);
  });

  it('that is missing from the environment is named, and nothing is lost', async () => {
    home = new Home();
    useSender({ slack: { tokenEnv: 'NOT_THERE' } });
    expect(await push('hello')).toMatchObject({ sent: false, reason: expect.stringContaining('NOT_THERE') });
    expect(await deliveries()).toMatchObject([{ state: 'waiting', text: 'hello' }]);
  });
});

describe('a busy or dead service', () => {
  it('is asked once in a tick, and holds up no other channel', async () => {
    home = new Home();
    await serve(SERVICES[4]!, request => (request.path === '/bad' ? 'hang' : undefined));
    const hook = (place: string) => ({
      send: { webhook: { url: `${server!.url}/${place}`, timeoutSeconds: 0.5 } },
    });
    home.config(withRunner({ command: 'cat' }, { channels: { bad: hook('bad'), good: hook('good') } }));
    for (const [channel, from] of ['bad', 'bad', 'bad', 'good'].map((each, n) => [each, String(n)] as const))
      await claw(['ingest', '--no-wait', '--channel', channel, '--from', from, 'hello']);
    await claw(['tick']);
    expect(server!.requests.map(request => request.path).toSorted()).toEqual(['/bad', '/good']);
    expect((await deliveries()).map(row => row.failures).toSorted()).toEqual([0, 0, 1]);
  });
});

describe('a tick that is told to end', () => {
  it('does not wait for the answer of a service, and asks no other one; what is not sent waits', async () => {
    home = new Home();
    await serve(SERVICES[4]!, () => 'hang');
    const url = `${server!.url}/hook`;
    useSender({ webhook: { url: 'http://127.0.0.1:9/hook' } });
    for (const text of ['one', 'two']) await push(text);
    age(HOUR);
    useSender({ webhook: { url } });
    const tick = home.start(['tick', '--json']);
    await until('the service is asked', () => server!.requests.length === 1);
    const begun = Date.now();
    tick.child.kill('SIGTERM');
    const { delivery } = (await tick.done).json();
    expect(Date.now() - begun).toBeLessThan(5000);
    expect(delivery).toMatchObject({
      sent: [],
      waiting: [
        { reason: expect.stringContaining('told to end') },
        { reason: expect.stringContaining('left') },
      ],
    });
    expect(server!.requests).toHaveLength(1);
    expect(await deliveries()).toMatchObject([{ state: 'waiting' }, { state: 'waiting' }]);
  });
});

describe('a file as sender', () => {
  it('gets one line of JSON per reply, for its owner alone', async () => {
    home = new Home();
    const file = path.join(home.folder, 'replies.jsonl');
    useSender({ file });
    await push('one\ntwo');
    fs.appendFileSync(file, '{"torn');
    await push('three');
    const lines = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean);
    expect(JSON.parse(lines[0]!)).toMatchObject({ text: 'one\ntwo', to: '4711', channel: 'chat' });
    expect(JSON.parse(lines[2]!)).toMatchObject({ text: 'three' });
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
  });

  it('that cannot be written keeps the reply until it can', async () => {
    home = new Home();
    const folder = path.join(home.folder, 'later');
    useSender({ file: path.join(folder, 'replies.jsonl') });
    expect(await push('hello')).toMatchObject({ sent: false, reason: expect.stringContaining('ENOENT') });
    fs.mkdirSync(folder);
    age(HOUR);
    await claw(['tick']);
    expect(fs.readFileSync(path.join(folder, 'replies.jsonl'), 'utf8')).toContain('"text":"hello"');
  });
});

describe('a command as sender', () => {
  it('gets its arguments filled in, as data (CVE-2026-28463)', async () => {
    home = new Home();
    const out = path.join(home.folder, 'args');
    const script = 'for a in "$@"; do printf "%s\\n" "$a"; done > "$OUT"';
    useSender({
      command: 'sh',
      args: [
        '-c',
        script,
        'x',
        '--to={{To}}',
        '{{AccountId}}',
        '{{ThreadId}}',
        '{{Channel}}/{{ChatType}}',
        '$(touch pwned)',
      ],
      env: { OUT: out },
    });
    await claw([
      'ingest',
      '--channel',
      'chat',
      '--from',
      '$(touch pwned); --help {{Channel}}',
      '--deliver',
      'hello',
    ]);
    expect(fs.readFileSync(out, 'utf8').split('\n').slice(0, -1)).toEqual([
      '--to=$(touch pwned); --help {{Channel}}',
      'default',
      '',
      'chat/dm',
      '$(touch pwned)',
    ]);
    expect(fs.existsSync(home.path('pwned'))).toBe(false);
  });

  it('is not given a recipient for an option, but a negative number is an id (CVE-2026-28363)', async () => {
    home = new Home();
    const out = path.join(home.folder, 'args');
    useSender({ command: 'sh', args: ['-c', 'echo "$1" > "$OUT"', 'x', '{{To}}'], env: { OUT: out } });
    await claw(['ingest', '--channel', 'chat', '--from=--help', '--deliver', 'hello']);
    expect(await deliveries('--dead')).toMatchObject([{ reason: expect.stringContaining('--to={{To}}') }]);
    await claw([
      'ingest',
      '--channel',
      'chat',
      '--from',
      '7',
      '--group=-100',
      '--mentioned',
      '--deliver',
      'hello',
    ]);
    expect(fs.readFileSync(out, 'utf8')).toBe('-100\n');
  });

  it('whose variables show up in its complaint has them masked', async () => {
    home = new Home();
    useSender({
      command: 'sh',
      args: ['-c', 'echo "bad key $API_KEY" >&2; exit 1'],
      env: { API_KEY: 'very-secret-1' },
    });
    await push('hello');
    expect(await deliveries()).toMatchObject([
      { state: 'dead', reason: expect.stringContaining('bad key ***') },
    ]);
    expectNoSecrets([], ['very-secret-1']);
  });
});

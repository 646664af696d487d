import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  aliasDirectives,
  DIRECTIVES,
  directiveNamed,
  disabledDirectives,
  type ParsedText,
  type ParseOptions,
  parseDirectives,
} from '../../../src/core/session/directive.ts';
import { isSettingName } from '../../../src/core/session/settings.ts';

const MODELS = {
  aliases: { opus: 'anthropic/claude-opus', Fast: 'openai/mini', think: 'x/think' },
  models: ['anthropic/claude-opus', 'openai/mini', 'x/think', 'Local/Llama-3'],
};

function parse(text: string, options: Partial<ParseOptions> = {}): ParsedText {
  return parseDirectives(text, { chatType: 'dm', models: MODELS, owner: true, ...options });
}

/** Only what is there. */
function brief(parsed: ParsedText) {
  const { settings, asked, command, refused, alone } = parsed;
  return {
    ...(Object.keys(settings).length > 0 ? { settings } : {}),
    ...(asked.length > 0 ? { asked: asked.map(({ name, given }) => `${name}:${given}`) } : {}),
    ...(command ? { command } : {}),
    ...(refused.length > 0 ? { refused } : {}),
    ...(alone ? { alone } : {}),
  };
}

const TEXT = {};

describe('a message of nothing but directives', () => {
  test.each<[string, object]>([
    ['/think high', { settings: { thinkingLevel: 'high' } }],
    ['  /think   high  ', { settings: { thinkingLevel: 'high' } }],
    ['/t: xhigh', { settings: { thinkingLevel: 'xhigh' } }],
    ['/think：high', { settings: { thinkingLevel: 'high' } }],
    [
      '/think high\n/verbose on\n/reason stream',
      { settings: { thinkingLevel: 'high', verboseLevel: 'on', reasoningLevel: 'stream' } },
    ],
    ['/think low /think', { settings: { thinkingLevel: 'low' }, asked: ['think:'] }],
    ['/think', { asked: ['think:'] }],
    ['/think:', { asked: ['think:'] }],
    ['/think foo', { asked: ['think:foo'] }],
    ['/think default', { settings: { thinkingLevel: null } }],
    ['/think default /think low', { settings: { thinkingLevel: 'low' } }],
    ['/elevated ask', { settings: { elevated: 'ask' } }],
    ['/elev YES', { settings: { elevated: 'on' } }],
    ['/verbose __proto__', { asked: ['verbose:__proto__'] }],
    ['/send off', { settings: { sendPolicy: 'deny' } }],
    ['/send default', { settings: { sendPolicy: null } }],
    ['/send maybe', { asked: ['send:maybe'] }],
    ['/think high /send off', { settings: { thinkingLevel: 'high', sendPolicy: 'deny' } }],
    ['/activation', { asked: ['activation:'] }],
    ['/model', { asked: ['model:'] }],
    ['/model list', { asked: ['model:'] }],
    ['/model OPUS', { settings: { model: 'anthropic/claude-opus' } }],
    ['/model local/llama-3', { settings: { model: 'Local/Llama-3' } }],
    ['/model local llama-3', { settings: { model: 'Local/Llama-3' } }],
    ['/model some/thing-new:8b', { settings: { model: 'some/thing-new:8b' } }],
    ['/model gemma', { settings: { model: 'gemma' } }],
    ['/model default', { settings: { model: null } }],
    ['/model --dangerous', { asked: ['model:--dangerous'] }],
    ['/model a/b@profile', { asked: ['model:a/b@profile'] }],
    ['/model $(x)', { asked: ['model:$(x)'] }],
    ['/fast', { settings: { model: 'openai/mini' } }],
    ['/queue', { asked: ['queue:'] }],
    [
      '/queue collect debounce:2s cap:5 drop:oldest',
      { settings: { queueMode: 'collect', queueDebounceMs: 2000, queueCap: 5, queueDrop: 'old' } },
    ],
    ['/queue mode=follow-up debounce=250', { settings: { queueMode: 'followup', queueDebounceMs: 250 } }],
    ['/queue collect cap:0', { asked: ['queue:cap:0'] }],
    ['/queue sideways', { asked: ['queue:sideways'] }],
    [
      '/queue reset',
      { settings: { queueMode: null, queueDebounceMs: null, queueCap: null, queueDrop: null } },
    ],
    ['/status', { command: { name: 'status' } }],
    ['/Status:', { command: { name: 'status' } }],
    ['\u200f/status\u200f', { command: { name: 'status' } }],
    ['/think low /status', { settings: { thinkingLevel: 'low' }, command: { name: 'status' } }],
    ['/stop!', { command: { name: 'stop' } }],
    ['/stop@clawbot', { command: { name: 'stop' } }],
    ['/context', { command: { name: 'context', detail: 'list' } }],
    ['/context List', { command: { name: 'context', detail: 'list' } }],
    ['/context details', { command: { name: 'context', detail: 'detail' } }],
    ['/compact', { command: { name: 'compact', instructions: '' } }],
    [
      '/compact\nFocus on  /think high\n',
      { command: { name: 'compact', instructions: 'Focus on  /think high' } },
    ],
    ['/id', { command: { name: 'whoami' } }],
  ])('%j', (text, expected) => {
    const parsed = parse(text);
    expect(brief(parsed)).toEqual({ ...expected, alone: true });
    expect(parsed.body).toBe('');
  });
});

describe('inside other text', () => {
  test.each<[string, object, string]>([
    ['/think high why?', { thinkingLevel: 'high' }, 'why?'],
    ['why? /think high', { thinkingLevel: 'high' }, 'why?'],
    ['a /think high b', { thinkingLevel: 'high' }, 'a b'],
    ['a  /think high /v on  b', { thinkingLevel: 'high', verboseLevel: 'on' }, 'a  b'],
    ['a\n/think high\nb', { thinkingLevel: 'high' }, 'a\nb'],
    ['a\r\n/think high\r\nb', { thinkingLevel: 'high' }, 'a\r\nb'],
    ['a /think high\nb', { thinkingLevel: 'high' }, 'a\nb'],
    ['/think high\n\n/verbose on\n\n  b\n c ', { thinkingLevel: 'high', verboseLevel: 'on' }, '  b\n c '],
    ['a\n\n  b\n\n/think high\n', { thinkingLevel: 'high' }, 'a\n\n  b'],
    ['a\n  /think high b', { thinkingLevel: 'high' }, 'a\n  b'],
    ['use /model opus now', { model: 'anthropic/claude-opus' }, 'use now'],
    ['use /fast now', { model: 'openai/mini' }, 'use now'],
    ['ask /queue followup cap:3 me', { queueMode: 'followup', queueCap: 3 }, 'ask me'],
    ['/elevated full go', { elevated: 'full' }, 'go'],
    ['🙂 /think high 🙃', { thinkingLevel: 'high' }, '🙂 🙃'],
    ['请 /think high 回答', { thinkingLevel: 'high' }, '请 回答'],
    ['שאלה /think high קשה', { thinkingLevel: 'high' }, 'שאלה קשה'],
  ])('%j', (text, settings, body) => {
    const parsed = parse(text);
    expect(brief(parsed)).toEqual({ settings });
    expect(parsed.body).toBe(body);
  });
});

describe('what is text stays as it is', () => {
  test.each([
    'explain /reset',
    'what does /status do',
    '/status please',
    '/status /help',
    '/send off and then answer',
    'then /send off',
    'mute it: /send off /think foo',
    '/context everything',
    'please /stop',
    'stop',
    'abort',
    'think high',
    'Max is my dog',
    '/think about foo bar',
    'use /think here',
    'set /think default here',
    'then /queue reset it',
    'then /queue collect cap:0 it',
    'use /model gemma now',
    'use /model some/thing now',
    '/model some thing',
    '/models openai',
    '/opus-2',
    '/thinkhigh',
    '/think/high',
    '/usage:/tmp/hello',
    'cd /model',
    'https://example.org/think high /usr/local/think',
    'see "/think high" and \'or /think low\' and `x /verbose on`',
    '```\n/think high\n```',
    '> /think high\nhe wrote',
    '/new',
    '/unknown',
    '/',
    '//',
    '/ think high',
    '/@bot',
    '',
    '  \n ',
    `/think ${'x'.repeat(500)}`,
  ])('%j', text => {
    const parsed = parse(text);
    expect(brief(parsed)).toEqual(TEXT);
    expect(parsed.body).toBe(text);
  });
});

test('what comes with a picture is about the picture, and holds for it alone', () => {
  const withPicture = (text: string) => parse(text, { owner: false, hasAttachments: true });
  expect(withPicture('/think high')).toMatchObject({
    settings: { thinkingLevel: 'high' },
    body: '',
    refused: [],
    alone: false,
  });
  expect(withPicture('/status')).toMatchObject({ command: null, body: '/status', alone: false });
});

describe('in a room', () => {
  const room = (text: string, botNames?: readonly string[]) =>
    parse(text, { chatType: 'group', ...(botNames ? { botNames } : {}) });

  test('mentions of us before a command are skipped', () => {
    expect(room('@claw, @4915112345 /status', ['claw'])).toMatchObject({
      command: { name: 'status' },
      body: '',
    });
    expect(room('@claw /think high', ['Claw'])).toMatchObject({
      settings: { thinkingLevel: 'high' },
      alone: true,
    });
    expect(room('@other /status', ['claw'])).toMatchObject({ command: null, body: '@other /status' });
    expect(parse('@claw /status')).toMatchObject({ command: null });
  });

  test('a mention stays before the text it was written to', () => {
    expect(room('@claw /think high why?')).toMatchObject({ body: '@claw why?', alone: false });
  });

  test('a directive that names another bot is not ours', () => {
    expect(room('/think@claw high', ['claw'])).toMatchObject({ settings: { thinkingLevel: 'high' } });
    expect(room('/think@other high', ['claw'])).toMatchObject({ settings: {}, body: '/think@other high' });
    expect(room('/think@anybody:high')).toMatchObject({ settings: { thinkingLevel: 'high' } });
  });
});

describe('whoever is no owner', () => {
  const guest = (text: string) => parse(text, { owner: false });

  test.each([
    ['/think high', ['think']],
    ['/verbose off', ['verbose']],
    ['/reasoning on', ['reasoning']],
    ['/think default', ['think']],
    ['/elevated on', ['elevated']],
    ['/model opus', ['model']],
    ['/opus', ['model']],
    ['/send off', ['send']],
    ['/activation always', ['activation']],
    ['/queue reset', ['queue']],
    ['/compact x', ['compact']],
    ['/think high /model opus /think low', ['think', 'model']],
  ])('keeps nothing: %j', (text, refused) => {
    expect(guest(text)).toEqual({ settings: {}, asked: [], command: null, body: text, refused, alone: true });
  });

  test('may set how this one message is thought about', () => {
    expect(brief(guest('/think high /v on why?'))).toEqual({
      settings: { thinkingLevel: 'high', verboseLevel: 'on' },
    });
  });

  test('may not choose model, rights or queue even for one message', () => {
    expect(guest('/think high /model opus do /elevated on and /queue interrupt it')).toEqual({
      settings: { thinkingLevel: 'high' },
      asked: [],
      command: null,
      body: '/model opus do /elevated on and /queue interrupt it',
      refused: ['model', 'elevated', 'queue'],
      alone: false,
    });
  });

  test('may ask', () => {
    expect(brief(guest('/model'))).toEqual({ asked: ['model:'], alone: true });
    for (const name of ['status', 'help', 'commands', 'whoami', 'usage', 'context', 'stop'])
      expect(guest(`/${name}`)).toMatchObject({ command: { name }, refused: [] });
  });
});

describe('what is not offered', () => {
  test('is text, under each of its names', () => {
    const disabled = ['think', 'status'];
    for (const text of ['/think high', '/t high', '/thinking high', 'x /think high y', '/status'])
      expect(brief(parse(text, { disabled }))).toEqual(TEXT);
    expect(brief(parse('/verbose on', { disabled }))).toEqual({
      settings: { verboseLevel: 'on' },
      alone: true,
    });
  });

  test('without /model there is no alias either', () => {
    expect(brief(parse('/opus', { disabled: ['model'] }))).toEqual(TEXT);
  });

  test('is read from the configuration, by name or alias', () => {
    expect(disabledDirectives({})).toEqual([]);
    expect(disabledDirectives({ commands: { disabled: ['/T', 'think', 'elev', 'nothing'] } })).toEqual([
      'think',
      'elevated',
    ]);
    expect(disabledDirectives({ commands: { text: false } })).toHaveLength(DIRECTIVES.length);
  });
});

describe('the table', () => {
  test('every name and alias means one row', () => {
    const names = DIRECTIVES.flatMap(row => [row.name, ...row.aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const row of DIRECTIVES)
      for (const name of [row.name, ...row.aliases]) expect(directiveNamed(name.toUpperCase())).toBe(row);
  });

  test('every value a row knows is taken by its setting', () => {
    for (const row of DIRECTIVES) {
      if (!('sets' in row)) continue;
      expect(isSettingName(row.sets)).toBe(true);
      for (const word of 'words' in row ? Object.keys(row.words) : [])
        expect([row.name, word, typeof parse(`/${row.name} ${word}`).settings[row.sets]]).toEqual([
          row.name,
          word,
          'string',
        ]);
    }
  });

  test('a model whose alias is the name of a command has no directive of its own', () => {
    expect(aliasDirectives(MODELS)).toEqual(['opus', 'Fast']);
    expect(brief(parse('/think'))).toEqual({ asked: ['think:'], alone: true });
  });
});

describe('any text', () => {
  const words = fc.constantFrom(
    'a',
    'high',
    '🙂',
    '你好',
    'שלום',
    '"',
    "'",
    '`',
    '```',
    '>',
    '/x',
    '/usr/bin',
    ':',
    '@bot',
    '/think',
    '/status',
  );
  const space = fc.constantFrom(' ', '  ', '\n', '\r\n', '\n\n', '\t', '\u3000', '\u200f');
  const anyText = fc.array(fc.tuple(words, space)).map(pairs => pairs.flat().join(''));
  const chatType = fc.constantFrom('dm' as const, 'group' as const);

  test('without a slash is never changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), chatType, (raw, chat) => {
        const text = raw.replaceAll('/', '');
        expect(parse(text, { chatType: chat })).toEqual({
          settings: {},
          asked: [],
          command: null,
          body: text,
          refused: [],
          alone: false,
        });
      }),
    );
  });

  test('is never changed when nothing was found, and loses no line end or space then', () => {
    fc.assert(
      fc.property(anyText, chatType, fc.boolean(), (text, chat, owner) => {
        const parsed = parse(text, { chatType: chat, owner });
        fc.pre(Object.keys(parsed.settings).length === 0 && !parsed.alone);
        expect(parsed.body).toBe(text);
      }),
    );
  });

  test('keeps every character beside the directives, in order', () => {
    const plain = fc.constantFrom(
      'a',
      'b.',
      '🙂',
      '你好',
      'שלום',
      '(x)',
      'http://x.org/y',
      '/usr/bin',
      'high',
    );
    const directive = fc.constantFrom(
      '/think high',
      '/v:off',
      '/model opus',
      '/fast',
      '/queue collect cap:3',
      '/elev ask',
    );
    const piece = fc.tuple(fc.oneof(plain, directive), space);
    fc.assert(
      fc.property(fc.array(piece), plain, (pieces, last) => {
        // A plain `/model` makes text of aliases; that is tested elsewhere.
        fc.pre(
          !(pieces.some(([word]) => word === '/fast') && pieces.some(([word]) => word === '/model opus')),
        );
        const text = pieces.flat().join('') + last;
        const kept = [...pieces.map(([word]) => word).filter(word => !/^\/(?!usr)/.test(word)), last].join(
          '',
        );
        expect(parse(text).body.replace(/[\s\u200f]/g, '')).toBe(kept);
      }),
    );
  });

  test('read again has nothing left to find in it', () => {
    fc.assert(
      fc.property(anyText, text => {
        const { body } = parse(text);
        expect(brief(parse(body)).settings).toBeUndefined();
      }),
    );
  });
});

describe('a text of 300 KB', () => {
  const full = (piece: string) => piece.repeat(Math.ceil(300_000 / piece.length));

  test.each([
    '/think high ',
    '/think ',
    '/t low\n',
    '/think high /status x ',
    '/status ',
    '/status /think high ',
    '/model a/b ',
    '/queue collect ',
    '/queue cap:1 ',
    ' ',
    '\n',
    '\n/t low',
    ' /',
    '/x@',
    '@a ',
    '@',
    'x /t low  ',
    '/opus /model opus ',
    '/compact ',
    '/think@',
    '\u200f/t low',
    'x',
  ])('%j over and over is read in linear time', piece => {
    for (const text of [full(piece), `${full(' ')}x ${full(piece)}`]) {
      const started = performance.now();
      const parsed = parse(text, { chatType: 'group' });
      // Quadratic time would be minutes; a busy machine is not.
      expect(performance.now() - started).toBeLessThan(3000);
      expect(parsed.body.length).toBeLessThanOrEqual(text.length);
    }
  });
});

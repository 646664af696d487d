import MiniSearch from 'minisearch';
import { describe, expect, test } from 'vitest';
import { parseNotes } from '../../src/core/memory/note.ts';
import { mayQuoteNotes } from '../../src/core/memory/rule.ts';
import {
  CONNECT_LINE,
  conversationPassages,
  type Passage,
  rankPassages,
  recallReply,
} from '../../src/core/recall.ts';
import type { Entry } from '../../src/core/session/transcript.ts';
import { turnRequest } from './runner/turn-request.ts';

const at = Date.UTC(2026, 2, 1, 13, 5);
const origin = { channel: 'cli', accountId: 'default', chatType: 'dm' as const, from: 'anna' };

function user(
  id: string,
  content: unknown,
  from: Partial<typeof origin> & { fromName?: string } = {},
): Entry {
  return {
    type: 'message',
    timestamp: at,
    id,
    message: { role: 'user', content },
    origin: { ...origin, ...from },
    via: 'stdout',
  };
}
function assistant(runId: string, content: string): Entry {
  return { type: 'message', timestamp: at, runId, message: { role: 'assistant', content } };
}
function turn(runId: string, runner: string, ...messageIds: string[]): Entry {
  return {
    type: 'turn',
    timestamp: at,
    runId,
    attempt: 1,
    messageIds,
    runner,
    isNewSession: false,
    reset: null,
    notices: [],
  };
}

function found(question: string, ...texts: string[]): string[] {
  const passages = texts.map(text => ({ who: 'you', at, text }));
  return rankPassages(MiniSearch, passages, question).map(hit => hit.passage.text);
}

describe('what may be quoted', () => {
  test('messages and answers, but neither the present turn nor what recall said', () => {
    const newestFirst = [
      turn('run-1', 'recall', 'm5', 'm4'),
      user('m5', 'now'),
      user('m4', 'just before'),
      assistant('r3', 'quoted by recall'),
      turn('r3', 'recall', 'm3'),
      user('m3', 'third'),
      assistant('r2', 'answer'),
      turn('r2', 'claude', 'm2'),
      assistant('r1', `cut off\n\n${CONNECT_LINE}`),
      { type: 'message', message: null },
      { type: 'thinking', text: 'hm' },
      user('m1', 'first'),
    ] as Entry[];
    const passages = conversationPassages(newestFirst, turnRequest({ body: 'now' }));
    expect(passages.map(passage => passage.text)).toEqual(['third', 'answer', 'first']);
  });

  test('the same question asked before is not quoted back', () => {
    const passages = conversationPassages(
      [user('m1', ' Where is\nmy key ')],
      turnRequest({ body: 'where is my key' }),
    );
    expect(passages).toEqual([]);
  });

  test('says who it was', () => {
    const entries = [
      user('1', 'a'),
      user('2', 'b', { from: 'bob', fromName: 'Bob' }),
      user('3', 'c', { from: 'carl' }),
      user('4', [{ type: 'text', text: 'imported' }, { type: 'image' }]),
      assistant('r', 'e'),
    ];
    const passages = conversationPassages(entries, turnRequest({ body: 'x' }));
    expect(passages.map(({ who, text }) => `${who}: ${text}`)).toEqual([
      'you: a',
      'Bob: b',
      'carl: c',
      'you: imported',
      'assistant: e',
    ]);
  });

  test.each([
    ['agent:main:main', 'dm', true],
    ['agent:main:global', 'dm', true],
    ['agent:main:global', 'group', false],
    ['agent:main:dm:bob', 'dm', false],
    ['agent:main:telegram:group:1', 'group', false],
  ] as const)('Z11 openclaw#85240: notes in %s (%s): %s', (sessionKey, chatType, allowed) => {
    expect(mayQuoteNotes(turnRequest({ sessionKey, origin: { ...origin, chatType } }))).toBe(allowed);
  });

  test('notes are items and paragraphs under their headings', () => {
    const markdown =
      '# Family\n\n- Anna, born\n  in May\n* Bob\n\n## Car\r\nRed Volvo\nnew tyres\n\nparked at home\n';
    expect(parseNotes(new TextEncoder().encode(markdown)).map(note => note.text)).toEqual([
      'Family: Anna, born in May',
      'Family: Bob',
      'Car: Red Volvo new tyres',
      'Car: parked at home',
    ]);
  });
});

describe('ranking', () => {
  test.each<[string, string, string[], string | undefined]>([
    [
      'by the words that matter',
      'what is the name of my cat?',
      ['the name of the song', 'a name is long', 'my cat is Minka'],
      'my cat is Minka',
    ],
    ['other forms of a word', 'invoices', ['the invoice is paid', 'nothing'], 'the invoice is paid'],
    [
      'a typing error',
      'dentst appointment',
      ['see the dentist on Monday', 'nothing'],
      'see the dentist on Monday',
    ],
    ['without accents and case', 'CAFÉ', ['meet in the cafe', 'no'], 'meet in the cafe'],
    ['in Chinese', '我的猫叫什么', ['天气很好', '我的猫叫咪咪'], '我的猫叫咪咪'],
    ['in Russian', 'пароль от роутера', ['Пароль на стикере', 'привет'], 'Пароль на стикере'],
    [
      'an answer before an old question',
      'cat name',
      ['what is the name of the cat?', 'the cat has the name Minka'],
      'the cat has the name Minka',
    ],
    [
      'not by filler words alone',
      'what is the capital of France?',
      ['what is this?', 'the one you told me'],
      undefined,
    ],
    ['nothing for nothing', '???', ['a', '?'], undefined],
    ['no syntax of any query language', '"(cat* OR', ['cat', 'dog'], 'cat'],
  ])('finds %s', (_, question, texts, best) => {
    expect(found(question, ...texts)[0]).toBe(best);
  });

  test('three at most, the same text once, the noise not at all', () => {
    const texts = [
      'blue car',
      'blue car',
      'blue car today',
      'car, the blue one',
      'the blue car again',
      'a blue sky',
    ];
    expect(found('blue car', ...texts)).toHaveLength(3);
    expect(new Set(found('blue car', ...texts)).size).toBe(3);
    expect(found('nothing here', ...texts)).toEqual([]);
  });

  test('a large history is searched by its likely passages, the newest of them', () => {
    const passages: Passage[] = Array.from({ length: 30_000 }, (_, i) => ({
      who: 'you',
      at,
      text: `line ${i} of talk`,
    }));
    passages[29_000] = { who: 'you', at, text: 'the password is swordfish' };
    const hits = rankPassages(MiniSearch, passages, 'which passwords?');
    expect(hits.map(hit => hit.passage.text)).toEqual(['the password is swordfish']);
  });
});

describe('the reply', () => {
  const zone = { name: 'Asia/Tokyo', isHost: false };
  const nothing = { hits: [], complete: true, notes: false, unreadable: [] };
  const hit = (text: string, words: string[], part: Partial<Passage> = {}) => ({
    passage: { who: 'you', at, text, ...part },
    words,
  });

  test('quotes with date and speaker, and ends with the way to an agent', () => {
    const reply = recallReply(
      {
        ...nothing,
        hits: [
          hit('my cat\nis Minka', ['cat']),
          hit('cat food', ['cat'], { who: 'memory/x.md', day: '2026-02-01' }),
        ],
      },
      zone,
    );
    expect(reply).toContain('no model');
    expect(reply).toContain('\n- 2026-03-01 22:05, you: "my cat is Minka"\n');
    expect(reply).toContain('\n- 2026-02-01, memory/x.md: "cat food"\n');
    expect(reply.split('\n').at(-1)).toBe(CONNECT_LINE);
    expect(CONNECT_LINE).toMatch(/`claw init`.*agents\.defaults\.runner/);
  });

  test('says plainly that there is nothing, and what was left out', () => {
    expect(recallReply(nothing, zone)).toMatch(/^Your message is recorded\. There is nothing about it/);
    expect(recallReply({ ...nothing, notes: true }, zone)).toContain('notes');
    expect(recallReply({ ...nothing, complete: false }, zone)).toContain('older text that was not searched');
    expect(recallReply({ ...nothing, unreadable: ['a.jsonl (EIO)'] }, zone)).toContain('a.jsonl (EIO)');
  });

  test('a long passage is clipped around what matched', () => {
    const text = `${'before '.repeat(100)}the secret word${' after'.repeat(100)}`;
    const reply = recallReply({ ...nothing, hits: [hit(text, ['secret'])] }, zone);
    const quoted = /"(.*)"/.exec(reply)![1]!;
    expect(quoted).toMatch(/^….*the secret word.*…$/);
    expect(quoted.length).toBeLessThanOrEqual(302);
  });

  test('clipping splits no character', () => {
    const reply = recallReply({ ...nothing, hits: [hit(`x${'😀'.repeat(400)}`, ['x'])] }, zone);
    expect(reply).not.toMatch(/\p{Surrogate}/u);
  });
});

import fs from 'node:fs';
import path from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SAFE_SESSION_ID } from '../../src/core/session/transcript.ts';
import { encodeKey, Layout, restOfKey } from '../../src/store/layout.ts';
import { scratch } from './scratch.ts';

/** What a file system that folds case and normalises Unicode makes of a name. */
const folds: ((name: string) => string)[] = [
  name => name,
  name => name.toLowerCase(),
  name => name.toUpperCase(),
  name => name.normalize('NFC'),
  name => name.normalize('NFD'),
  name => name.normalize('NFKC').toLowerCase(),
  name => name.toLowerCase().normalize('NFD'),
];

/** Every suffix and prefix that a name gets somewhere. */
const dressed = [
  (name: string) => name,
  (name: string) => `${name}.json`,
  (name: string) => `${name}.turn`,
  (name: string) => `${name}.1234567890123456-12345678.json`,
  (name: string) => `${name}.1234567890123456-12345678.reply`,
  (name: string) => `${name}.12345678-1234-1234-1234-123456789012.failed`,
];

const LONG = 'a'.repeat(170);

/** Keys that other systems have mixed up, and those that look like the names of other keys. */
const NASTY = [
  ...[
    'main',
    'Main',
    'MAIN',
    'maın',
    'main ',
    ' main',
    'main.',
    '.main',
    'main..',
    '..',
    '.',
    '...',
    '%2e',
    '%2e%2e',
  ],
  ...[
    'a:b',
    'a~b',
    'a%7eb',
    'a%3ab',
    'a/b',
    'a\\b',
    'a%2fb',
    'a%2Fb',
    'a%b',
    'a%%b',
    'a%25b',
    '%',
    '%%',
    '%25',
    '~',
    ':',
    '::',
    '~~',
  ],
  ...[
    'é',
    'e\u0301',
    'É',
    'E\u0301',
    'ﬁ',
    'fi',
    'Å',
    'Å',
    'ß',
    'ss',
    'SS',
    'ſ',
    's',
    'S',
    'İ',
    'i̇',
    'I',
    'i',
    'K',
    'K',
    'k',
  ],
  ...[
    'a\0b',
    'a\nb',
    'a\tb',
    'a b',
    'a+b',
    'a=b',
    'a@b',
    'a_b',
    'a-b',
    'a*b',
    'a?b',
    'a"b',
    "a'b",
    'a<b',
    'a>b',
    'a|b',
    'a$b',
    'a;b',
  ],
  ...[
    'con',
    'nul',
    'aux',
    'lock',
    'x.turn',
    'x.json',
    'x.reply',
    'x.failed',
    'x.1234567890123456-12345678.json',
    'x',
  ],
  ...[
    '😀',
    '😁',
    '\u2028',
    '\u200b',
    '\u202e',
    '\ufeff',
    '\ufffd',
    '漢字',
    'עברית',
    '１',
    '1',
    'telegram:dm:1',
    'telegram:dm:１',
  ],
  ...[
    'slack:channel:C1',
    'slack:channel:c1',
    'whatsapp:group:12@g.us',
    'whatsapp:group:12@G.US',
    'matrix:group:!a:b.org',
  ],
  ...[
    LONG,
    `${LONG}${LONG}`,
    `${LONG}${LONG}a`,
    `${LONG}${LONG}A`,
    `${LONG}${'b'.repeat(10)}`,
    `${LONG}${'b'.repeat(11)}`,
  ],
  ...[
    `${LONG}${':'.repeat(20)}`,
    `${LONG}${'~'.repeat(20)}`,
    `${LONG}${'.'.repeat(20)}`,
    `${LONG}.`,
    `${LONG}%2e`,
    `A${LONG}${LONG}`,
  ],
  ...[
    'é'.repeat(100),
    'e\u0301'.repeat(100),
    '漢'.repeat(300),
    `${'x'.repeat(99)}é${LONG}`,
    `${'x'.repeat(98)}é${LONG}`,
    'X'.repeat(180),
  ],
];

/** Keys of any Unicode text; half a surrogate pair never gets this far (`normaliseMessage` refuses it). */
const anyKey = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  fc.string({
    unit: fc.constantFrom('a', 'A', ':', '~', '%', '.', '2', 'e', 'é', 'e\u0301'),
    minLength: 1,
    maxLength: 12,
  }),
  fc.string({ unit: fc.constantFrom('a', 'B', '%', ':', '.'), minLength: 150, maxLength: 400 }),
  fc.constantFrom(...NASTY),
);

function expectAName(name: string): void {
  expect(name).not.toBe('');
  expect(name).toMatch(/^[a-z0-9._+@=~%-]+$/);
  expect(name).not.toMatch(/^\.|\.$/);
  for (const dress of dressed) expect(Buffer.byteLength(dress(name))).toBeLessThanOrEqual(255);
}

describe('the file name of a key', () => {
  test.each([
    ['main', 'main'],
    ['telegram:dm:123', 'telegram~dm~123'],
    ['whatsapp:group:12-3@g.us', 'whatsapp~group~12-3@g.us'],
    ['telegram:group:-100:topic:7', 'telegram~group~-100~topic~7'],
    ['dm:+15551234567', 'dm~+15551234567'],
    ['slack:channel:C1', 'slack~channel~%431'],
    ['cron:daily report', 'cron~daily%20report'],
    ['a%3Athread:b', 'a%253%41thread~b'],
    ['..', '%2e%2e'],
    ['ä', '%c3%a4'],
  ])('%s is %s', (key, name) => {
    expect(encodeKey(key)).toBe(name);
  });

  test('belongs to one key alone, also where case is folded and Unicode normalised', () => {
    const keys = [...new Set(NASTY)];
    for (const fold of folds) {
      const owners = new Map<string, string[]>();
      for (const key of keys) {
        const name = fold(encodeKey(key));
        owners.set(name, [...(owners.get(name) ?? []), key]);
      }
      expect([...owners.values()].filter(shared => shared.length > 1)).toEqual([]);
    }
  });

  test('belongs to one key alone, whatever the keys', () => {
    fc.assert(
      fc.property(anyKey, anyKey, (one, other) => {
        if (one === other) return;
        for (const fold of folds) expect(fold(encodeKey(one))).not.toBe(fold(encodeKey(other)));
      }),
      { numRuns: 1000 },
    );
  });

  test('belongs to one key alone, when one key is made from the other by a small change', () => {
    const change = fc.constantFrom<(key: string) => string>(
      key => key.toUpperCase(),
      key => key.normalize('NFD'),
      key => key.normalize('NFC'),
      key => encodeKey(key),
      key => key.replaceAll(':', '~'),
      key => key.replaceAll('.', '%2e'),
      key => `${key}.`,
      key => `.${key}`,
      key => key.slice(0, -1),
      key => `${key.slice(0, -1)}x`,
      key => key.replace('/', ':'),
    );
    fc.assert(
      fc.property(anyKey, change, (key, changed) => {
        const other = changed(key);
        if (other === key || other === '') return;
        for (const fold of folds) expect(fold(encodeKey(other))).not.toBe(fold(encodeKey(key)));
      }),
      { numRuns: 1000 },
    );
  });

  test.each(NASTY.map(key => [key]))('of %j is one that every file system takes, with any suffix', key => {
    expectAName(encodeKey(key));
  });

  test('is one that every file system takes, whatever the key', () => {
    fc.assert(
      fc.property(anyKey, key => expectAName(encodeKey(key))),
      { numRuns: 1000 },
    );
  });

  test('of long keys keeps the readable beginning', () => {
    const name = encodeKey(`telegram:group:${'x'.repeat(1000)}`);
    expect(name).toMatch(/^telegram~group~x{40,}%%[0-9a-f]{40}$/);
    expect(encodeKey('x'.repeat(180))).toBe('x'.repeat(180));
    expect(encodeKey('x'.repeat(181))).toMatch(/%%[0-9a-f]{40}$/);
  });

  test('of long keys is never cut inside an escape', () => {
    for (let length = 90; length < 110; length++) {
      const [prefix] = encodeKey(`${'x'.repeat(length)}${'é'.repeat(100)}`).split('%%');
      expect(prefix).toMatch(/^x+(?:%[0-9a-f]{2})*$/);
    }
  });

  test('really is a file name here', () => {
    const folder = scratch();
    const keys = [...new Set(NASTY)];
    for (const key of keys) {
      const file = path.join(folder, `${encodeKey(key)}.1234567890123456-12345678.reply`);
      fs.writeFileSync(file, key, { flag: 'wx' });
    }
    expect(fs.readdirSync(folder)).toHaveLength(keys.length);
  });
});

describe('the rest of a key', () => {
  test.each([
    ['agent:main:main', 'main'],
    ['agent:work:telegram:dm:1:2', 'telegram:dm:1:2'],
    ['agent:main:dm:a::b', 'dm:a::b'],
  ])('of %s is %s', (key, rest) => {
    expect(restOfKey(key)).toBe(rest);
  });
});

describe('places', () => {
  const layout = new Layout('/home/of/claw');

  test('all lie under the home, each of them elsewhere', () => {
    const key = 'agent:main:telegram:dm:../../x';
    const places = [
      layout.agents(),
      layout.sessions('main'),
      layout.records('main'),
      layout.record('main', key),
      layout.transcript('main', 's1'),
      layout.torn('main', 's1', 5),
      layout.workspace('main'),
      layout.locks('main'),
      layout.lock('main', key),
      layout.pendingRoot(),
      layout.pending('main'),
      layout.ids(),
      layout.outbox(),
      layout.sent(),
      layout.cache(),
      layout.tickStamp(),
    ];
    expect(new Set(places).size).toBe(places.length);
    for (const place of places)
      expect(path.relative('/home/of/claw', path.normalize(place))).not.toMatch(/^\.\.|^$/);
  });

  test('record, lock and to-do of a session carry the same name', () => {
    const key = 'agent:main:slack:channel:C1';
    expect(path.basename(layout.record('main', key), '.json')).toBe(encodeKey('slack:channel:C1'));
    expect(path.basename(layout.lock('main', key))).toBe(encodeKey('slack:channel:C1'));
  });

  test.each(['a', 'A-b_c.d', '0', 'f32dd5df-45e4-461a-bb15-f1c644d35cee', 'x'.repeat(128)])(
    '%s can be a session id',
    id => {
      expect(id).toMatch(SAFE_SESSION_ID);
    },
  );

  test.each([
    '',
    '.',
    '..',
    '../x',
    'a/b',
    'a\\b',
    '.hidden',
    '-rf',
    'a\n',
    'a b',
    'é',
    'x'.repeat(129),
    'a\0',
  ])('%j cannot be a session id', id => {
    expect(id).not.toMatch(SAFE_SESSION_ID);
  });
});

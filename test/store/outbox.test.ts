import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import type { OutboxItem } from '../../src/core/delivery/delivery.ts';
import { Layout } from '../../src/store/layout.ts';
import { listOutbox, markSent, putOutbox, settleOutbox, updateOutbox } from '../../src/store/outbox.ts';
import { KEY, NOON, RUN } from '../core/turn-facts.ts';
import { contextIn, names, scratch, snapshot } from './scratch.ts';

function item(part: Partial<OutboxItem> = {}): OutboxItem {
  return {
    id: RUN,
    agentId: 'main',
    sessionKey: KEY,
    sessionId: 's1',
    messageId: 'm1',
    origin: { channel: 'telegram', accountId: 'default', chatType: 'dm', from: 'anna' },
    text: 'the reply',
    state: 'waiting',
    reason: 'not sent yet',
    callerGone: false,
    createdAt: NOON,
    attempts: [],
    ...part,
  };
}

function outbox() {
  const home = scratch();
  const layout = new Layout(home);
  const context = contextIn(home);
  return {
    home,
    layout,
    context,
    put: (part: Partial<OutboxItem> = {}) => putOutbox(context, layout, item(part)),
    texts: () => listOutbox(layout).items.map(each => each.text),
    file: path.join(layout.outbox(), `${RUN}.json`),
    sent: path.join(layout.sent(), `${RUN}.json`),
  };
}

const attempt = { at: NOON, error: 'the line was busy' };

describe('a reply in the outbox', () => {
  test('is there as it was put, oldest first', () => {
    const { layout, put } = outbox();
    put({ id: 'b', createdAt: NOON + 2 });
    put({ id: 'a', createdAt: NOON + 3 });
    put({ id: 'c', createdAt: NOON + 1 });
    expect(listOutbox(layout).items.map(each => each.id)).toEqual(['c', 'b', 'a']);
    expect(listOutbox(layout).items[0]).toEqual(item({ id: 'c', createdAt: NOON + 1 }));
  });

  test('is put once: the same again changes nothing, also not the attempts', () => {
    const { layout, context, put, home } = outbox();
    put();
    updateOutbox(context, layout, item({ attempts: [attempt], reason: attempt.error }));
    const before = snapshot(home);
    put();
    put({ text: 'another text' });
    expect(snapshot(home)).toEqual(before);
    expect(listOutbox(layout).items).toEqual([item({ attempts: [attempt], reason: attempt.error })]);
  });

  test('of an outbox that is not there is none, and looking writes nothing', () => {
    const { home, layout } = outbox();
    expect(listOutbox(layout)).toEqual({ items: [], unreadable: [] });
    settleOutbox(layout, RUN);
    expect(names(home)).toEqual([]);
  });
});

describe('a reply that was sent', () => {
  test('is not waiting any more, and its record says when', () => {
    const { layout, context, put, file, sent } = outbox();
    put();
    markSent(context, layout, item({ sentAt: NOON + 5 }));
    expect(fs.existsSync(file)).toBe(false);
    expect(JSON.parse(fs.readFileSync(sent, 'utf8'))).toEqual(item({ sentAt: NOON + 5, reason: 'sent' }));
    expect(listOutbox(layout)).toEqual({ items: [], unreadable: [] });
  });

  test('is not resurrected by the redo after a crash', () => {
    const { layout, context, put, texts } = outbox();
    put();
    markSent(context, layout, item({ sentAt: NOON }));
    put();
    put({ callerGone: true });
    expect(texts()).toEqual([]);
    settleOutbox(layout, RUN);
    expect(names(layout.sent())).toEqual([`${RUN}.json`]);
  });

  test('is not sent again when its sender died between writing that down and removing the item', () => {
    const { layout, context, put, texts, file } = outbox();
    put();
    const waiting = fs.readFileSync(file);
    markSent(context, layout, item({ sentAt: NOON }));
    fs.writeFileSync(file, waiting);
    expect(texts()).toEqual([]);
  });

  test('is marked so twice without harm', () => {
    const { layout, context, put } = outbox();
    put();
    markSent(context, layout, item({ sentAt: NOON }));
    markSent(context, layout, item({ sentAt: NOON }));
    expect(names(layout.outbox())).toEqual(['sent']);
  });
});

describe('a caller that came back for its reply', () => {
  test.each<[string, Partial<OutboxItem>, boolean]>([
    ['untouched, meant for a caller that was gone', { callerGone: true }, true],
    ['meant for the sender', { callerGone: false }, false],
    ['tried before', { callerGone: true, attempts: [attempt] }, false],
    ['given up by its sender', { callerGone: true, attempts: [attempt], state: 'dead' }, false],
  ])('%s', (_, part, settled) => {
    const { layout, put, home } = outbox();
    put(part);
    put({ id: 'other', callerGone: true, text: 'other' });
    const before = snapshot(home);
    settleOutbox(layout, RUN);
    expect(listOutbox(layout).items.some(each => each.id === RUN)).toBe(!settled);
    expect(listOutbox(layout).items.some(each => each.id === 'other')).toBe(true);
    if (!settled) expect(snapshot(home)).toEqual(before);
    settleOutbox(layout, RUN);
  });
});

describe('an item that cannot be used', () => {
  test.each(['', '{"id":"x"', '\0\0', 'null', '[]', '7', '{}', '{"id":"x","text":5}'])(
    '%j: reported, left in place, and the others go out',
    content => {
      const { layout, put, texts } = outbox();
      put();
      const broken = path.join(layout.outbox(), 'broken.json');
      fs.writeFileSync(broken, content);
      settleOutbox(layout, 'broken');
      expect(texts()).toEqual(['the reply']);
      expect(listOutbox(layout).unreadable).toEqual([{ file: broken, reason: expect.stringMatching(/\w/) }]);
      expect(fs.readFileSync(broken, 'utf8')).toBe(content);
    },
  );

  test('of the same id is not overwritten', () => {
    const { layout, put, file } = outbox();
    fs.mkdirSync(layout.outbox(), { recursive: true });
    fs.writeFileSync(file, '{"half');
    put();
    expect(fs.readFileSync(file, 'utf8')).toBe('{"half');
  });

  test('and what is no item is passed over', () => {
    const { layout, put, texts } = outbox();
    put();
    for (const name of ['.tmp-x', '.tmp-x.json', '.DS_Store', 'notes'])
      fs.writeFileSync(path.join(layout.outbox(), name), 'x');
    fs.mkdirSync(layout.sent());
    expect(texts()).toEqual(['the reply']);
    expect(listOutbox(layout).unreadable).toEqual([]);
  });
});

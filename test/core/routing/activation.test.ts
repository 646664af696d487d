import { describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { decideActivation, isMentioned, mentionsOf } from '../../../src/core/routing/activation.ts';
import { messageOf } from './routes.ts';

const group = { channel: 'telegram', groupId: 'g', from: '1' };

describe('activation', () => {
  it('always answers private messages, in threads too', () => {
    for (const hint of [
      { from: '1' },
      { from: '1', threadId: 't' },
      { from: '1', threadId: 't', chatType: 'thread' },
    ]) {
      expect(decideActivation(messageOf(hint), {}, 'main')).toEqual({
        mode: 'always',
        mentioned: false,
        respond: true,
      });
    }
  });

  it('answers in groups, channels and their threads only when mentioned', () => {
    for (const hint of [
      group,
      { ...group, chatType: 'channel' },
      { ...group, chatType: 'thread', threadId: 't' },
    ]) {
      expect(decideActivation(messageOf(hint), {}, 'main')).toEqual({
        mode: 'mention',
        mentioned: false,
        respond: false,
      });
      expect(decideActivation(messageOf({ ...hint, mentioned: true }), {}, 'main').respond).toBe(true);
    }
  });

  it('takes the mode of the session, the group, all groups, then of all chats', () => {
    const config = (own?: 'always', all?: 'always', chat?: 'always'): ConfigInput => ({
      channels: { telegram: { groups: { g: { activation: own }, '*': { activation: all } } } },
      messages: { groupChat: { activation: chat } },
    });
    const mode = (settings: ConfigInput, session?: string) =>
      decideActivation(messageOf(group), settings, 'main', session).mode;
    expect(mode(config())).toBe('mention');
    expect(mode(config('always'))).toBe('always');
    expect(mode(config(undefined, 'always'))).toBe('always');
    expect(mode(config(undefined, undefined, 'always'))).toBe('always');
    expect(mode(config('always'), 'mention')).toBe('mention');
    expect(mode(config('always'), 'bogus')).toBe('always');
  });
});

describe('a mention', () => {
  it.each([
    ['CLAWD: hi', true],
    ['cl\u200bawd', true],
    ['clawdia', false],
    ['', false],
  ])('in %j: %s', (text, mentioned) => {
    expect(isMentioned(text, { patterns: ['[', '\\bclawd\\b'] })).toBe(mentioned);
  });

  it('counts by pattern even where the channel saw none', () => {
    const config = { messages: { groupChat: { mentionPatterns: ['clawd'] } } };
    const message = messageOf({ ...group, mentioned: false, text: 'clawd help' });
    expect(decideActivation(message, config, 'main')).toEqual({
      mode: 'mention',
      mentioned: true,
      respond: true,
    });
  });

  it('by a pattern is looked for in the beginning of a long text, and what nobody sees counts on neither side', () => {
    expect(isMentioned(`${'x'.repeat(5000)} clawd`, { patterns: ['clawd'] })).toBe(false);
    expect(isMentioned('👩‍💻 hi', { patterns: ['^👩‍💻'] })).toBe(true);
    expect(isMentioned('anything', { patterns: [] })).toBe(false);
  });

  it('by a pattern that needs quadratic time does not hold up a message of megabytes', () => {
    const started = performance.now();
    expect(isMentioned('a'.repeat(4_000_000), { patterns: ['a*b'] })).toBe(false);
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it.each<[string, string, boolean]>([
    ['Samantha Bot', 'hey @samantha  bot?', true],
    ['Samantha Bot', 'samantha\nbot', true],
    ['Samantha Bot', 'samanthabot', false],
    ['Samantha', 'samanthas', false],
    ['Samantha', 'xsamantha', false],
    ['Samantha', 'sam\u200bantha!', true],
    ['Zoë', 'ZOE\u0308, hi', true],
    ['Åsa', 'blåsa', false],
    ['C++ (bot)', 'ask c++ (bot) now', true],
    ['クロー', 'クローさん、おはよう', true],
    [' ', 'hello', false],
    ['Sam', `${'x'.repeat(100_000)} sam`, true],
  ])('of %j by name in %j: %s', (name, text, mentioned) => {
    expect(isMentioned(text, { name })).toBe(mentioned);
  });

  it('by emoji, whatever its presentation', () => {
    expect(isMentioned('is ❤ there?', { emoji: '❤\ufe0f' })).toBe(true);
    expect(isMentioned('hello', { emoji: '🦞' })).toBe(false);
    expect(isMentioned('hello', { emoji: '' })).toBe(false);
  });

  it('counts the patterns of the agent, else those of all, else its identity', () => {
    const agent = { id: 'Work', identity: { name: 'Sam' } };
    const of = (own?: string[], all?: string[]) =>
      mentionsOf(
        {
          agents: { list: [{ ...agent, ...(own ? { groupChat: { mentionPatterns: own } } : {}) }] },
          messages: all ? { groupChat: { mentionPatterns: all } } : {},
        },
        'work',
      );
    expect(of(['a'], ['b'])).toEqual({ patterns: ['a'] });
    expect(of([], ['b'])).toEqual({ patterns: [] });
    expect(of(undefined, ['b'])).toEqual({ patterns: ['b'] });
    expect(of()).toEqual({ name: 'Sam' });
    expect(mentionsOf({}, 'main')).toEqual({});
  });
});

import { describe, expect, it } from 'vitest';
import type { ConfigInput } from '../../../src/config/schema.ts';
import { decideActivation, isMentioned } from '../../../src/core/routing/activation.ts';
import { messageOf } from './routes.ts';

const group = { channel: 'telegram', groupId: 'g', from: '1' };

describe('activation', () => {
  it('always answers private messages, in threads too', () => {
    for (const hint of [
      { from: '1' },
      { from: '1', threadId: 't' },
      { from: '1', threadId: 't', chatType: 'thread' },
    ]) {
      expect(decideActivation(messageOf(hint), {})).toEqual({
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
      expect(decideActivation(messageOf(hint), {})).toEqual({
        mode: 'mention',
        mentioned: false,
        respond: false,
      });
      expect(decideActivation(messageOf({ ...hint, mentioned: true }), {}).respond).toBe(true);
    }
  });

  it('takes the mode of the session, the group, all groups, then of all chats', () => {
    const config = (own?: 'always', all?: 'always', chat?: 'always'): ConfigInput => ({
      channels: { telegram: { groups: { g: { activation: own }, '*': { activation: all } } } },
      messages: { groupChat: { activation: chat } },
    });
    const mode = (settings: ConfigInput, session?: string) =>
      decideActivation(messageOf(group), settings, session).mode;
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
    expect(isMentioned(text, ['[', '\\bclawd\\b'])).toBe(mentioned);
  });

  it('counts by pattern even where the channel saw none', () => {
    const config = { messages: { groupChat: { mentionPatterns: ['clawd'] } } };
    const message = messageOf({ ...group, mentioned: false, text: 'clawd help' });
    expect(decideActivation(message, config)).toEqual({ mode: 'mention', mentioned: true, respond: true });
  });
});

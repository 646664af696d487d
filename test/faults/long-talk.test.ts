import { test } from 'vitest';
import { longTalk } from './long-talk.ts';

test('a conversation of 2,000 turns through a window of 32,000 tokens', () => longTalk(2000));

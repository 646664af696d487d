import { describe, expect, it } from 'vitest';
import { keyOfStem, mapKey, stemOfKey } from '../../../src/core/import/key.ts';
import type { DmScope } from '../../../src/core/routing/session-key.ts';

describe('keys of older stores', () => {
  it.each<[string, DmScope | undefined, string | null]>([
    ['main', undefined, 'agent:main:main'],
    ['agent:Main:main', undefined, 'agent:main:main'],
    ['primary', undefined, 'agent:main:main'],
    ['+15555550123', undefined, 'agent:main:main'],
    ['+15555550123', 'per-peer', 'agent:main:dm:+15555550123'],
    ['whatsapp:+15555550123', 'per-channel-peer', 'agent:main:whatsapp:dm:+15555550123'],
    ['group:1-2@g.us', undefined, 'agent:main:whatsapp:group:1-2@g.us'],
    // #45025, #69013: both spellings of a private chat are one.
    ['agent:main:discord:direct:U9', undefined, 'agent:main:discord:dm:U9'],
    ['agent:work:telegram:group:-1:topic:7', undefined, 'agent:work:telegram:group:-1:topic:7'],
    ['cron:job-1', undefined, 'agent:main:cron:job-1'],
    ['agent:../up:main', undefined, null],
    ['a\u0000b', undefined, null],
  ])('%j under dmScope %s is %j', (old, dmScope, key) => {
    expect(mapKey(old, { agentId: 'main', session: { dmScope }, oldMainKey: 'primary' })).toBe(key);
  });

  it.each<[string, string | null]>([
    ['agent_main_whatsapp_dm_+15555550123', 'agent:main:whatsapp:dm:+15555550123'],
    ['agent_main_telegram_group_-100_5', 'agent:main:telegram:group:-100_5'],
    ['agent_main_main', 'agent:main:main'],
    ['0b1c2d3e-1111-4aaa-8bbb-000000000001', null],
  ])('are spelled by the file name %s', (stem, key) => {
    expect(keyOfStem(stem)).toBe(key);
    if (key !== null) expect(stemOfKey(key)).toBe(stem);
  });
});

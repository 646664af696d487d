import { expect, it } from 'vitest';
import { localTimes, tellLocalTime, UTC } from '../../../src/core/schedule/zone.ts';

it.each(['UTC', 'Europe/Stockholm', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kathmandu'])(
  'many local times of %s are those that are told one by one, changes of clocks among them',
  name => {
    const zone = name === 'UTC' ? UTC : { name, isHost: false };
    const tell = localTimes(zone);
    // A year, and both sides of 1970; a step that is no divisor of a day.
    for (const from of [Date.UTC(2026, 0, 1), Date.UTC(1969, 11, 20)])
      for (let at = from; at < from + 366 * 86_400_000; at += 2_717_300)
        expect(tell(at)).toBe(tellLocalTime(zone, at).replace(/ [+-]\d\d:\d\d$/, ''));
  },
);

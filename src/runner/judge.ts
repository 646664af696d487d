/** What holds for a session now: the settings it was given, and whether its replies may go out. Reads only. */
import path from 'node:path';
import { expandHome } from '../context.ts';
import { agentEntry } from '../core/agent.ts';
import { decideSending } from '../core/delivery/send-policy.ts';
import { ClawError } from '../core/errors.ts';
import type { Message } from '../core/routing/message.ts';
import { decideRoute, type Route } from '../core/routing/route.ts';
import type { Origin, SessionRecord } from '../core/session/session.ts';
import type { SettingValues } from '../core/session/settings.ts';
import { ownSettings } from '../core/session/settings.ts';
import type { SendVerdict } from '../core/session/transcript.ts';
import { pairedFor } from '../store/pairings.ts';
import { loadRecord } from '../store/sessions.ts';
import { loadSettings } from '../store/settings.ts';
import type { Desk } from './desk.ts';

/**
 * The session's own settings that hold now; none where it does not exist yet.
 *
 * @throws ClawError `state-unreadable`
 */
export function settingsOf(desk: Desk, record: SessionRecord | null): SettingValues {
  if (!record) return {};
  return ownSettings(desk.config, loadSettings(desk.layout, record.agentId, record.key), record);
}

/** Whether a reply of this session to somebody may be sent, and which rule says so. */
export function sendVerdict(
  desk: Desk,
  key: string,
  origin: Pick<Origin, 'channel' | 'chatType'>,
  own: SettingValues,
): SendVerdict {
  return decideSending({
    config: desk.config,
    sessionSetting: own.sendPolicy,
    key,
    channel: origin.channel,
    chatType: origin.chatType,
  });
}

/**
 * Where a message goes, by the config, by who was let in, and by what its session was set to (`/activation`).
 *
 * @throws ClawError as `decideRoute` does
 */
export function routeOf(desk: Desk, message: Message): Route {
  const paired = pairedFor(desk.layout, desk.config, message);
  const route = decideRoute(message, desk.config, { paired });
  if (message.chatType === 'dm') return route;
  const groupActivation = activationOf(desk, route);
  return groupActivation ? decideRoute(message, desk.config, { paired, groupActivation }) : route;
}

function activationOf(desk: Desk, { agentId, sessionKey }: Route): SettingValues['groupActivation'] {
  const read = loadRecord(desk.layout, agentId, sessionKey);
  try {
    return settingsOf(desk, read.state === 'ok' ? read.record : null).groupActivation;
  } catch (error) {
    // Whoever works the session meets the same file, and says so.
    if (error instanceof ClawError && error.code === 'state-unreadable') return undefined;
    throw error;
  }
}

/** The folder an agent works in, absolute: a relative one is below `$CLAW_HOME`, wherever claw was called from. */
export function workspaceOf({ config, layout }: Desk, agentId: string): string {
  const workspace = agentEntry(config, agentId)?.workspace ?? config.agents?.defaults?.workspace;
  return workspace ? path.resolve(layout.home, expandHome(workspace)) : layout.workspace(agentId);
}

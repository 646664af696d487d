/** How the tests of this folder get from an envelope to a route: the way `ingest` goes, failing loudly. */
import type { ConfigInput } from '../../../src/config/schema.ts';
import { type Message, normaliseMessage, parseEnvelope } from '../../../src/core/routing/message.ts';
import { decideRoute, type Route, type RouteOptions } from '../../../src/core/routing/route.ts';

/** The message of an envelope, which must be without a problem. A text is filled in. */
export function messageOf(envelope: Record<string, unknown>, config: ConfigInput = {}): Message {
  const read = parseEnvelope({ text: 'hi', ...envelope });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const normalised = normaliseMessage(read.envelope, config);
  if (!normalised.ok) throw new Error(normalised.problems.join('\n'));
  return normalised.message;
}

/** The route of an envelope, which must be without a problem. */
export function routeOf(
  envelope: Record<string, unknown>,
  config: ConfigInput = {},
  options: RouteOptions = {},
): Route {
  return decideRoute(messageOf(envelope, config), config, options);
}

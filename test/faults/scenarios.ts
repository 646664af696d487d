/** What is going on when the fault strikes. Each scenario is made once and copied for every point. */
import fs from 'node:fs';
import { readTranscripts } from './check.ts';
import { AGENT, type Ended, type Fault, names, Place, type Program, parse } from './lab.ts';

export interface Message {
  id: string;
  args: string[];
  reply: RegExp;
}

export interface Scenario {
  name: string;
  config: object | null;
  /** brings a fresh place to where the victim starts */
  prepare(place: Place): Promise<void>;
  /** arguments of the process that meets the fault */
  victim: string[];
  /** the message that must survive */
  message: Message;
  /** it was accepted before the victim started */
  accepted?: boolean;
  /** how many sessions this message may archive */
  resets: number;
  /** one copy at a time: its open run is in every copy, and who takes over ends every process that carries its id */
  alone?: true;
  /** the victim is no sender: what it says is not about the message, which comes behind it */
  ofOperator?: true;
  /** what must hold in the end beside everything else; the talk may go on */
  afterwards?(place: Place, fault: Fault): Promise<string[]>;
}

export interface PowerScenario {
  scenario: Scenario;
  /** what runs, one behind the other, until the power goes */
  commands: string[][];
}

/** Sent with an id, so that every message has an identity; `answered` is what agent.sh was asked. */
export function message(id: string, text: string, answered = text): Message {
  const args = ['ingest', '--json', '--channel', 't', '--from', '1', '--id', id, text];
  return { id, args, reply: new RegExp(`^answer to ${answered}$`) };
}

export function config(rest: object = {}, runner: object = {}): object {
  return {
    timezone: 'UTC',
    session: { reset: { mode: 'off' } },
    agents: { defaults: { runner: 'agent' } },
    runners: { agent: { command: AGENT, context: 'none', ...runner } },
    ...rest,
  };
}

const first = message('m0', 'first');
const hello = message('m1', 'hello');

/** A clean run that has to work, or the scenario makes no sense. */
export async function succeed(place: Place, args: string[]): Promise<Ended> {
  const run = await place.run(args);
  if (run.status !== 0)
    throw new Error(`claw ${args.join(' ')}: exit ${run.status} ${run.signal}: ${run.stderr}`);
  return run;
}

/** One settled conversation, and the config in its cache. */
async function conversation(place: Place): Promise<void> {
  await succeed(place, first.args);
}

/** Moves the session's times three days back. */
export function age(place: Place): void {
  const folder = place.path('agents/main/sessions/records');
  for (const name of names(folder)) {
    const file = `${folder}/${name}`;
    const record = parse(fs.readFileSync(file, 'utf8'));
    for (const field of ['createdAt', 'startedAt', 'updatedAt', 'lastUserAt'])
      record[field] -= 3 * 86_400_000;
    fs.writeFileSync(file, `${JSON.stringify(record)}\n`);
  }
}

export const turn: Scenario = {
  name: 'a turn in an existing session',
  config: config(),
  prepare: conversation,
  victim: hello.args,
  message: hello,
  resets: 0,
};

export const firstMessage: Scenario = {
  name: 'the first message of a new home',
  config: config(),
  prepare: async () => undefined,
  victim: hello.args,
  message: hello,
  resets: 0,
};

export const resetByUser: Scenario = {
  name: 'a reset with a message (/new hello)',
  config: config(),
  prepare: conversation,
  victim: message('m1', '/new hello').args,
  message: message('m1', '/new hello', 'hello'),
  resets: 1,
};

export const resetByDay: Scenario = {
  name: 'a message to a session that is stale by the day',
  config: config({ session: { reset: { mode: 'daily', atHour: 4 } } }),
  prepare: async place => {
    await conversation(place);
    age(place);
  },
  victim: hello.args,
  message: hello,
  resets: 1,
};

/** The tick that ends a session whose day is over; its next message comes behind it. */
export const tickOfReset: Scenario = {
  ...resetByDay,
  name: 'the tick that ends a session by the day',
  victim: ['tick', '--json'],
  ofOperator: true,
};

export const bareReset: Scenario = {
  name: 'a bare /new',
  config: config(),
  prepare: conversation,
  victim: message('m1', '/new').args,
  message: { ...message('m1', '/new'), reply: /^New session\. What can I do for you\?/ },
  resets: 1,
};

export const noWait: Scenario = {
  name: '--no-wait',
  config: config(),
  prepare: conversation,
  victim: [...hello.args, '--no-wait'],
  message: hello,
  resets: 0,
};

/** For power cuts: the power may go at any moment of either process. */
export const noWaitAndTick: PowerScenario = {
  scenario: { ...noWait, name: '--no-wait, and the tick that answers it' },
  commands: [noWait.victim, ['tick', '--json']],
};

export const tickOfNoWait: Scenario = {
  name: 'the tick that answers --no-wait',
  config: config(),
  prepare: async place => {
    await conversation(place);
    await succeed(place, [...hello.args, '--no-wait']);
  },
  victim: ['tick', '--json'],
  message: hello,
  accepted: true,
  resets: 0,
};

export const tickOfNoWaitInNewHome: Scenario = {
  ...tickOfNoWait,
  name: 'the tick that answers --no-wait as the first message of a session',
  prepare: async place => {
    await succeed(place, [...hello.args, '--no-wait']);
  },
};

/** The tick that finds what a killed turn left: its agent is an orphan, its reply is not there. */
export const tickOfKilledTurn: Scenario = {
  ...tickOfNoWait,
  name: 'the tick that takes over from a killed turn',
  alone: true,
  prepare: async place => {
    await conversation(place);
    await killAt(place, hello.args, operation => operation.name === 'spawned');
  },
};

/** The same message again, to fetch the reply of a turn whose process died before it could print it. */
export const fetch: Scenario = {
  ...turn,
  name: 'the same message again, fetching a reply that waits in the outbox',
  prepare: async place => {
    await conversation(place);
    await killAt(place, hello.args, operation => operation.what === 'stdout');
    await succeed(place, ['tick']);
  },
  accepted: true,
};

/** Runs a command and kills it at the first operation that matches, found by a clean run in a copy. */
export async function killAt(
  place: Place,
  args: string[],
  matches: (operation: { name: string; kind: string; what: string }) => boolean,
): Promise<void> {
  const trial = place.copy();
  let at: number | undefined;
  try {
    await trial.run(args, { mode: 'count', at: 0 });
    at = trial.operations().find(matches)?.n;
  } finally {
    trial.remove();
  }
  if (at === undefined) throw new Error('no operation to be killed at');
  const run = await place.run(args, { mode: 'kill', at });
  if (run.signal !== 'SIGKILL') throw new Error('it was not killed');
  fs.rmSync(place.operationLog, { force: true });
}

export const SCENARIOS: Scenario[] = [
  turn,
  firstMessage,
  resetByUser,
  resetByDay,
  tickOfReset,
  bareReset,
  noWait,
  tickOfNoWait,
  tickOfNoWaitInNewHome,
  tickOfKilledTurn,
  fetch,
];

/** The place where a scenario's victim starts; to be copied for every point. */
export async function stage(program: Program, scenario: Scenario): Promise<Place> {
  const place = Place.create(program, scenario.config);
  await scenario.prepare(place);
  return place;
}

/** All lines of all transcripts. */
export function entriesOf(place: Place) {
  return readTranscripts(place.home).transcripts.flatMap(transcript => transcript.entries);
}

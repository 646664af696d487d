/** A home with an agent that notes what it is asked and says what a test wants, and a channel that notes what it sends. */
import fs from 'node:fs';
import path from 'node:path';
import { Home } from './claw.ts';
import { until } from './support.ts';

export class BeatHome extends Home {
  private readonly place = (name: string) => path.join(this.folder, name);

  /** @param heartbeat `agents.defaults.heartbeat`; rest: keys of the config beside it, `agents.defaults` included */
  constructor(heartbeat: object = {}, rest: { agents?: object; channels?: object; session?: object } = {}) {
    super();
    this.configure(heartbeat, rest);
    this.says('HEARTBEAT_OK');
  }

  configure(
    heartbeat: object,
    { agents = {}, ...rest }: { agents?: object; channels?: object; session?: object } = {},
  ): void {
    const note = `cat >> '${this.place('asked')}'; printf '\\036' >> '${this.place('asked')}'`;
    const wait = `while [ -e '${this.place('closed')}' ]; do sleep 0.02; done`;
    const send = {
      command: 'sh',
      args: ['-c', `echo "$CLAW_CHANNEL $CLAW_TO: $(cat)" >> '${this.place('sent')}'`],
    };
    this.config({
      agents: { defaults: { runner: 'agent', heartbeat }, ...agents },
      runners: {
        agent: { command: 'sh', args: ['-c', `${note}; ${wait}; . '${this.place('answer')}'`] },
      },
      channels: { telegram: { send } },
      ...rest,
    });
  }

  /** What the agent answers from now on; a number: the status it exits with. A text may be a shell command after `$ `. */
  says(answer: string | number): void {
    const quoted = String(answer).replaceAll("'", "'\\''");
    const script =
      typeof answer === 'number'
        ? `exit ${answer}`
        : answer.startsWith('$ ')
          ? answer.slice(2)
          : `printf %s '${quoted}'`;
    fs.writeFileSync(this.place('answer'), script);
  }

  asked(): string[] {
    const file = this.place('asked');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\u001e').slice(0, -1) : [];
  }

  sent(): string[] {
    const file = this.place('sent');
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  }

  /** While it is closed the agent does not end. */
  close(): void {
    fs.writeFileSync(this.place('closed'), '');
  }

  open(): void {
    fs.rmSync(this.place('closed'), { force: true });
  }

  async begun(count: number): Promise<void> {
    await until(`${count} starts of the agent`, () => this.asked().length >= count);
  }

  heartbeatFile(text: string, agent = 'main'): void {
    const folder = this.path('agents', agent, 'workspace');
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'HEARTBEAT.md'), text);
  }

  /** A person writes on telegram. */
  hears(text: string): void {
    const run = this.run(['ingest', '--channel', 'telegram', '--from', '77', text]);
    if (run.status !== 0) throw new Error(run.stderr);
  }

  beat(...more: string[]) {
    return this.run(['heartbeat', 'run', '--json', ...more]);
  }

  event(text: string, ...more: string[]) {
    return this.run(['system', 'event', '--json', '--text', text, ...more]);
  }
}

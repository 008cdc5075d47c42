import { AsyncQueue } from '#base/async-queue';
import type { Context } from '#base/context';
import { StatusError } from '#api/machinery/status';
import type { PodExecItem, PodExecRequest } from '#contract/streams';
import type { StreamEvent } from '#contract/watches';

interface FakeTerminal {
  readonly queue: AsyncQueue<StreamEvent<PodExecItem>>;
  readonly pod: string;
  line: string;
  size: string;
}

/** Shells that know five words. */
export class FakeTerminals {
  readonly #open = new Map<string, FakeTerminal>();

  open(context: Context, request: PodExecRequest): AsyncIterable<StreamEvent<PodExecItem>> {
    const session = `s-${this.#open.size + 1}`;
    const queue = new AsyncQueue<StreamEvent<PodExecItem>>();
    const terminal = { queue, pod: request.pod, line: '', size: `${request.columns}x${request.rows}` };
    this.#open.set(session, terminal);
    context.onEnd(() => queue.end());
    queue.push({ type: 'BOOKMARK' });
    queue.push({ type: 'ADDED', object: { kind: 'opened', session } });
    prompt(terminal);
    return queue;
  }

  input(session: string, text: string): void {
    const terminal = this.#require(session);
    for (const key of text) type(terminal, key);
  }

  resize(session: string, columns: number, rows: number): void {
    this.#require(session).size = `${columns}x${rows}`;
  }

  #require(session: string): FakeTerminal {
    const terminal = this.#open.get(session);
    if (!terminal || terminal.queue.ended) throw new StatusError('NotFound', 'the terminal has ended');
    return terminal;
  }
}

function say(terminal: FakeTerminal, text: string): void {
  terminal.queue.push({ type: 'ADDED', object: { kind: 'output', text } });
}

function prompt(terminal: FakeTerminal): void {
  say(terminal, `\u001b[1;34m/\u001b[0m # `);
}

function type(terminal: FakeTerminal, key: string): void {
  if (key === '\u007f') {
    if (terminal.line !== '') say(terminal, '\b \b');
    terminal.line = terminal.line.slice(0, -1);
  } else if (key !== '\r') {
    terminal.line += key;
    say(terminal, key);
  } else {
    say(terminal, '\r\n');
    const line = terminal.line.trim();
    terminal.line = '';
    run(terminal, line);
  }
}

function run(terminal: FakeTerminal, line: string): void {
  if (line === 'exit') {
    terminal.queue.push({ type: 'ADDED', object: { kind: 'exit', exitCode: 0 } });
    terminal.queue.end();
    return;
  }
  const known: Readonly<Record<string, string>> = {
    '': '',
    colours: '\u001b[38;2;255;128;0mtrue colour\u001b[0m \u001b[48;5;54m indexed \u001b[0m\r\n',
    hostname: `${terminal.pod}\r\n`,
    size: `${terminal.size}\r\n`,
    ls: '\u001b[1;34mbin\u001b[0m  \u001b[1;34metc\u001b[0m  \u001b[1;32mentrypoint.sh\u001b[0m  \u001b[1;34mproc\u001b[0m  \u001b[1;34mtmp\u001b[0m\r\n',
  };
  say(terminal, known[line] ?? `sh: ${line}: not found\r\n`);
  prompt(terminal);
}

import type { ByteOutput } from './byte-pipe.ts';
import { BytePipe, encodeText } from './byte-pipe.ts';
import type { Process, ProcessTable } from './process.ts';

/**
 * A pseudo terminal in cooked mode: what is typed is echoed and handed on line by line, ^C interrupts, ^D ends the input,
 * and a line feed that is written becomes carriage return and line feed.
 */
export class Terminal {
  /** What the process reads. */
  readonly input = new BytePipe();
  /** Where the process writes: both its stdout and its stderr. */
  readonly output: ByteOutput;
  readonly #screen: (bytes: Uint8Array) => void | Promise<void>;
  readonly #table: ProcessTable;
  #line = '';
  #leader: Process | undefined;
  /** In the middle of an escape sequence (arrow keys), which cooked mode does not understand. */
  #escape = '';

  constructor(table: ProcessTable, screen: (bytes: Uint8Array) => void | Promise<void>) {
    this.#table = table;
    this.#screen = screen;
    this.output = { write: (bytes) => this.#screen(onlcr(bytes)) };
  }

  /** The session's first process; its descendants are interrupted by ^C. */
  setLeader(process: Process): void {
    this.#leader = process;
  }

  /** Bytes from the keyboard. */
  async type(bytes: Uint8Array): Promise<void> {
    for (const character of Buffer.from(bytes).toString('utf8')) await this.#key(character);
  }

  hangUp(): void {
    this.input.end();
  }

  async #key(key: string): Promise<void> {
    if (this.#escape !== '') {
      this.#escape += key;
      if (/^\u001b(?:[^[O]|[[O][0-9;]*[A-Za-z~])$/.test(this.#escape)) this.#escape = '';
      return;
    }
    if (key === '\u001b') this.#escape = key;
    else if (key === '\r' || key === '\n') await this.#enter();
    else if (key === '\u007f' || key === '\b') await this.#erase();
    else if (key === '\u0003') await this.#interrupt();
    else if (key === '\u0004') await this.#endOfFile();
    else if (key === '\u0015') while (this.#line !== '') await this.#erase();
    else if (key >= ' ' || key === '\t') {
      this.#line += key;
      await this.#echo(key);
    }
  }

  async #enter(): Promise<void> {
    await this.#echo('\r\n');
    const line = this.#line;
    this.#line = '';
    await this.input.write(encodeText(`${line}\n`));
  }

  async #erase(): Promise<void> {
    if (this.#line === '') return;
    this.#line = [...this.#line].slice(0, -1).join('');
    await this.#echo('\b \b');
  }

  async #interrupt(): Promise<void> {
    this.#line = '';
    await this.#echo('^C\r\n');
    const leader = this.#leader;
    if (!leader) return;
    const members = new Set([leader.pid]);
    for (const process of this.#table.list()) if (members.has(process.parentPid)) members.add(process.pid);
    for (const process of this.#table.list()) if (members.has(process.pid)) process.signal('INT');
  }

  async #endOfFile(): Promise<void> {
    if (this.#line === '') return this.input.endOnce();
    const line = this.#line;
    this.#line = '';
    await this.input.write(encodeText(line));
  }

  async #echo(text: string): Promise<void> {
    await this.#screen(encodeText(text));
  }
}

function onlcr(bytes: Uint8Array): Uint8Array {
  if (!bytes.includes(10)) return bytes;
  const out: number[] = [];
  for (const byte of bytes) {
    if (byte === 10) out.push(13);
    out.push(byte);
  }
  return Uint8Array.from(out);
}

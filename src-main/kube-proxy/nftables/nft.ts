import { ProxyError, type RunCommand } from './command.ts';
import { table } from './names.ts';
import type { KernelTable } from './transaction.ts';

interface Listed {
  readonly table?: string;
  readonly name?: string;
}

/** One line of `nft -j`: an object with one key, the kind. */
interface Listing {
  readonly nftables: readonly Readonly<Record<string, Listed>>[];
}

/** The nft program: a transaction in, the names of what the kernel has out. Throws {@link ProxyError}. */
export class Nft {
  readonly #run: RunCommand;

  constructor(run: RunCommand) {
    this.#run = run;
  }

  /** All of `text` or nothing. */
  async apply(text: string): Promise<void> {
    const { code, stderr } = await this.#run('nft', ['-f', '-'], text);
    if (code !== 0) throw rejected(stderr);
  }

  /** Empty when the table is not there. */
  async kernelTable(): Promise<KernelTable> {
    const [chains, sets, maps] = await Promise.all([
      this.#names('chains', 'chain'),
      this.#names('sets', 'set'),
      this.#names('maps', 'map'),
    ]);
    return { chains: new Set(chains), sets: new Set([...sets, ...maps]) };
  }

  /** How many elements a map or set has. */
  async count(kind: 'set' | 'map', name: string): Promise<number> {
    const { code, stdout } = await this.#run('nft', ['-j', 'list', kind, 'ip', table, name]);
    if (code !== 0) return 0;
    const listing = JSON.parse(stdout) as { nftables: Readonly<Record<string, { elem?: readonly unknown[] }>>[] };
    return listing.nftables.flatMap((one) => one[kind]?.elem ?? []).length;
  }

  /** `-t`: without elements, of which there may be thousands. */
  async #names(what: 'chains' | 'sets' | 'maps', kind: string): Promise<string[]> {
    const { code, stdout, stderr } = await this.#run('nft', ['-j', '-t', 'list', what, 'ip']);
    if (code !== 0) throw rejected(stderr);
    const listing = JSON.parse(stdout) as Listing;
    return listing.nftables.flatMap((one) => {
      const found = one[kind];
      return found?.name !== undefined && found.table === table ? [found.name] : [];
    });
  }
}

/** nft points at the place with `^^^` under a copy of the line, which may be very long: the first line says it. */
function rejected(stderr: string): ProxyError {
  const [first = 'no message'] = stderr.trim().split('\n');
  return new ProxyError('Rejected', `nft: ${first.slice(0, 500)}`);
}

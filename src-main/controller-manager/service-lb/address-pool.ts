import { InvariantError } from '#base/errors';
import { formatIpv4, parseIpv4 } from '#base/ip';

/** Addresses that are given to Services of type LoadBalancer, both ends included: `172.30.255.1` to `172.30.255.254`. */
export interface AddressRange {
  readonly first: string;
  readonly last: string;
}

/** Which address of a range is whose. Owners are keys of Services: `default/web`. */
export class AddressPool {
  readonly #first: number;
  readonly #last: number;
  readonly #owners = new Map<number, string>();

  constructor({ first, last }: AddressRange) {
    const [from, to] = [parseIpv4(first), parseIpv4(last)];
    if (from === undefined || to === undefined || to < from) {
      throw new InvariantError(`${first} to ${last} is no range of IPv4 addresses`);
    }
    this.#first = from;
    this.#last = to;
  }

  get text(): string {
    return `${formatIpv4(this.#first)}-${formatIpv4(this.#last)}`;
  }

  contains(address: string): boolean {
    const value = parseIpv4(address);
    return value !== undefined && value >= this.#first && value <= this.#last;
  }

  ownerOf(address: string): string | undefined {
    const value = parseIpv4(address);
    return value === undefined ? undefined : this.#owners.get(value);
  }

  addressOf(owner: string): string | undefined {
    for (const [value, its] of this.#owners) if (its === owner) return formatIpv4(value);
    return undefined;
  }

  /** Gives `address` to `owner`, who lets go of any other; false when it is somebody else's or not of the range. */
  take(address: string, owner: string): boolean {
    const value = parseIpv4(address);
    if (value === undefined || !this.contains(address)) return false;
    const before = this.#owners.get(value);
    if (before !== undefined && before !== owner) return false;
    this.release(owner);
    this.#owners.set(value, owner);
    return true;
  }

  /** The first address nobody has, now `owner`'s; undefined when there is none. */
  takeAny(owner: string): string | undefined {
    for (let value = this.#first; value <= this.#last; value++) {
      const address = formatIpv4(value);
      if (!this.#owners.has(value) && this.take(address, owner)) return address;
    }
    return undefined;
  }

  /** Whether `owner` had an address. */
  release(owner: string): boolean {
    for (const [value, its] of this.#owners) if (its === owner) return this.#owners.delete(value);
    return false;
  }
}

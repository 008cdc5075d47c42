import { expect } from 'vitest';
import { parts, writers, keyOf, type Found, type Told } from './writer.ts';

type Opened = Extract<Told, { readonly type: 'opened' }>;

/** What writer programs on one store were told, and what must therefore be true when it is opened again. */
export class WriterModel {
  /** What each revision that anybody was shown is: no other transaction may ever have that number. */
  readonly #byRevision = new Map<number, string>();
  readonly #written = new Map<number, { readonly value: string; readonly revision: number }>();
  readonly #granted = new Set<string>();
  readonly #revoking = new Set<string>();
  readonly #revoked = new Set<string>();
  #shown = 0;
  #compacted = 0;
  /** Transactions acknowledged so far. */
  acknowledged = 0;
  defragmented = 0;

  heed(told: Told): void {
    switch (told.type) {
      case 'opened':
        this.#check(told);
        return;
      case 'written':
        this.acknowledged++;
        this.#written.set(told.writer, told);
        this.#show(told.revision, `writer ${told.writer} ${told.value}`);
        return;
      case 'shown':
        for (const event of told.events) this.#show(event.revision, identityOf(event));
        return;
      case 'granted':
        this.#granted.add(told.lease);
        return;
      case 'revoking':
        this.#revoking.add(told.lease);
        return;
      case 'revoked':
        this.#revoked.add(told.lease);
        return;
      case 'compacted':
        this.#compacted = told.revision;
        return;
      case 'defragmented':
        this.defragmented++;
    }
  }

  #show(revision: number, identity: string): void {
    const known = this.#byRevision.get(revision) ?? identity;
    expect(identity, `revision ${revision} was used twice`).toBe(known);
    this.#byRevision.set(revision, identity);
    this.#shown = Math.max(this.#shown, revision);
  }

  #check({ revision, compacted, found, leases, records }: Opened): void {
    expect(revision, 'a revision that was shown is gone').toBeGreaterThanOrEqual(this.#shown);
    expect(compacted, 'a compaction that was acknowledged is gone').toBeGreaterThanOrEqual(this.#compacted);
    for (const one of found) this.#show(one.revision, identityOf(one));
    for (const { revision: at, record } of records) this.#show(at, `writer ${record}`);
    this.#shown = Math.max(this.#shown, revision);
    const byKey = new Map(found.map((one) => [one.key, one]));
    for (let writer = 0; writer < writers; writer++) this.#checkWriter(writer, byKey);
    this.#checkLeases(found, new Set(leases));
  }

  #checkWriter(writer: number, byKey: ReadonlyMap<string, Found>): void {
    const [first, ...rest] = parts.map((part) => byKey.get(keyOf(writer, part)));
    for (const other of rest) {
      const torn = `a transaction of writer ${writer} was torn`;
      expect([other?.value, other?.revision], torn).toEqual([first?.value, first?.revision]);
    }
    const written = this.#written.get(writer);
    if (!written) return;
    expect(first, `what writer ${writer} wrote is gone`).toBeDefined();
    if (!first) return;
    expect(first.value).toHaveLength(200);
    const [round, number] = placeOf(first.value);
    const [lastRound, lastNumber] = placeOf(written.value);
    const lost = `writer ${writer} was told that ${written.value} is written, found was ${first.value.trim()}`;
    expect(round > lastRound || (round === lastRound && number >= lastNumber), lost).toBe(true);
    // The one that was on its way when the program was killed, which nobody was told of.
    if (round === lastRound) expect(number, lost).toBeLessThanOrEqual(lastNumber + 1);
    if (first.value.trim() === written.value) expect(first.revision).toBe(written.revision);
  }

  #checkLeases(found: readonly Found[], leases: ReadonlySet<string>): void {
    for (const lease of this.#granted)
      if (!this.#revoking.has(lease)) expect(leases, `lease ${lease} is gone`).toContain(lease);
    for (const lease of this.#revoked) expect(leases, `lease ${lease} is back`).not.toContain(lease);
    for (const { key, lease } of found) {
      if (key.startsWith('/lease/')) expect(leases, `${key} outlived its lease`).toContain(lease);
    }
  }
}

/** What names a transaction in what is seen of it. */
function identityOf({ key, value }: Found): string {
  const writer = /^\/writer\/(\d+)\//.exec(key)?.[1];
  return writer === undefined ? `${key} ${value}` : `writer ${writer} ${value.trim()}`;
}

function placeOf(value: string): [number, number] {
  const [round, number] = value.trim().split('.');
  return [Number(round), Number(number)];
}

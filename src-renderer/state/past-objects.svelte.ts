import type { KubeObject } from '#api/machinery/object';
import type { RewindChange, RewindResource } from '#contract/rewind';

/** The objects of one resource as they were, by uid. They change in place; `version` says when. */
class Shelf {
  items = new Map<string, KubeObject>();
  version = $state(0);
}

/** The objects that the lab view shows, as they were at the revision that is looked at. */
export class PastObjects {
  readonly #shelves = new Map<string, Shelf>();

  /** Of one resource, by uid. Reading it follows its changes. */
  of(resource: string): ReadonlyMap<string, KubeObject> {
    const shelf = this.#shelf(resource);
    void shelf.version;
    return shelf.items;
  }

  replace(all: ReadonlyMap<RewindResource, ReadonlyMap<string, KubeObject>>): void {
    for (const resource of new Set<string>([...this.#shelves.keys(), ...all.keys()])) {
      const shelf = this.#shelf(resource);
      shelf.items = new Map(all.get(resource as RewindResource));
      shelf.version++;
    }
  }

  /** In order. */
  apply(changes: readonly RewindChange[]): void {
    this.#change(changes, (change) => change.after);
  }

  /** In the order in which they were made; takes the last one back first. They must hold what was before. */
  undo(changes: readonly RewindChange[]): void {
    this.#change([...changes].reverse(), (change) => change.before);
  }

  #change(changes: readonly RewindChange[], becomes: (change: RewindChange) => KubeObject | undefined): void {
    const touched = new Set<Shelf>();
    for (const change of changes) {
      const shelf = this.#shelf(change.resource);
      const object = becomes(change);
      if (object) shelf.items.set(change.uid, object);
      else shelf.items.delete(change.uid);
      touched.add(shelf);
    }
    for (const shelf of touched) shelf.version++;
  }

  #shelf(resource: string): Shelf {
    const known = this.#shelves.get(resource);
    if (known) return known;
    const shelf = new Shelf();
    this.#shelves.set(resource, shelf);
    return shelf;
  }
}

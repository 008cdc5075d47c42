/** kube-controller-manager defaults, release 1.36: `--node-eviction-rate`, `--unhealthy-zone-threshold`. */
const betweenNodesMs = 10_000;
const unhealthyShare = 0.55;
const largeZone = 50;
const betweenNodesOfLargeZoneMs = 100_000;

/**
 * How fast nodes lose their pods. A cluster where nothing answers is taken for a fault of the network or of this very
 * controller: then nobody is evicted. The whole cluster counts as one zone.
 */
export class EvictionPace {
  #nextMs = 0;
  readonly #granted = new Set<string>();

  /** Whether evictions are off: every node silent, or most of a small cluster. */
  isHalted(readyNodes: number, notReadyNodes: number): boolean {
    if (readyNodes === 0 && notReadyNodes > 0) return true;
    const isPartial = this.#isPartial(readyNodes, notReadyNodes);
    return isPartial && readyNodes + notReadyNodes <= largeZone;
  }

  /** Whether this node's turn has come. A node that had its turn keeps it until it is `reset`. */
  take(nodeName: string, readyNodes: number, notReadyNodes: number, nowMs: number): boolean {
    if (this.#granted.has(nodeName)) return true;
    if (this.isHalted(readyNodes, notReadyNodes) || nowMs < this.#nextMs) return false;
    this.#granted.add(nodeName);
    this.#nextMs = nowMs + (this.#isPartial(readyNodes, notReadyNodes) ? betweenNodesOfLargeZoneMs : betweenNodesMs);
    return true;
  }

  /** The node is well again, or gone. */
  reset(nodeName: string): void {
    this.#granted.delete(nodeName);
  }

  #isPartial(readyNodes: number, notReadyNodes: number): boolean {
    return notReadyNodes > 2 && notReadyNodes / (readyNodes + notReadyNodes) >= unhealthyShare;
  }
}

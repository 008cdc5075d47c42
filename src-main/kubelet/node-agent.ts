import type { Lease, Node, NodeStatus } from '#api/gen/types';
import { isStatus } from '#api/machinery/status';
import { Backoff } from '#base/backoff';
import { formatMicroTime, type Clock } from '#base/clock';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { jsonEqual } from '#base/freeze';
import type { ResourceClient } from '#client/client';
import { leases, nodes } from '#client/resources';
import { CriError, type Image, type RuntimeStatus } from '#cri/cri';
import type { PressureCondition } from './eviction/signals.ts';
import { buildNodeStatus, conditionStatus, nodeLabels, withoutHeartbeats } from './node-status.ts';
import { timings, type KubeletOptions } from './options.ts';

const leaseNamespace = 'kube-node-lease';
const registerRetryMs = 7_000;
/** How long the last answer of the runtime stands. */
const runtimeSilenceMs = 30_000;

interface RuntimeSeen {
  readonly status: RuntimeStatus;
  readonly images: readonly Image[];
  readonly atMs: number;
}

/**
 * Keeps the Node object and its Lease alive: registration, heartbeats, status (pkg/kubelet/kubelet_node_status.go and
 * k8s.io/component-helpers lease controller, release 1.36).
 */
export class NodeAgent {
  readonly #options: KubeletOptions;
  readonly #under: (condition: PressureCondition) => boolean;
  readonly #clock: Clock;
  readonly #nodes: ResourceClient<Node>;
  readonly #leases: ResourceClient<Lease>;
  #node: Node | undefined;
  #lease: Lease | undefined;
  #lastReportMs = 0;
  #syncing: Promise<void> | undefined;
  #again = false;
  #podCidr: string | undefined;
  #seen: RuntimeSeen | undefined;

  constructor(options: KubeletOptions, under: (condition: PressureCondition) => boolean) {
    this.#options = options;
    this.#under = under;
    this.#clock = options.clock;
    this.#nodes = options.client.resource<Node>(nodes);
    this.#leases = options.client.resource<Lease>(leases);
  }

  get node(): Node | undefined {
    return this.#node;
  }

  /** Registers, then keeps status and lease up to date until `context` ends. Resolves once registered. */
  async start(context: Context): Promise<void> {
    const { recorder, nodeName } = this.#options;
    await this.#register(context);
    if (this.#node) recorder.event(asEventTarget(this.#node), 'Normal', 'Starting', 'Starting kubelet.');
    await this.sync(context);
    if (this.#node) {
      recorder.event(
        asEventTarget(this.#node),
        'Normal',
        'NodeAllocatableEnforced',
        'Updated Node Allocatable limit across pods',
      );
    }
    const loops = [this.#leaseLoop(context), this.#statusLoop(context)];
    for (const loop of loops) {
      loop.catch((error: unknown) => {
        if (error instanceof CancelledError) return;
        this.#options.logger.error('node agent stopped: this is a bug', { node: nodeName, error: messageOf(error) });
      });
    }
  }

  /** A newer version of the Node came by watch. */
  observe(context: Context, node: Node): void {
    const ours = BigInt(this.#node?.metadata.resourceVersion ?? '0');
    if (BigInt(node.metadata.resourceVersion ?? '0') > ours) this.#node = node;
    const cidr = node.spec?.podCIDR;
    if (cidr !== undefined && cidr !== this.#podCidr) this.syncSoon(context);
  }

  syncSoon(context: Context): void {
    void this.sync(context).catch((error: unknown) => {
      if (!(error instanceof CancelledError)) {
        this.#options.logger.warn('node status not written', { node: this.#options.nodeName, error: messageOf(error) });
      }
    });
  }

  /** Brings the node's status up to date. Calls while one runs are served by one more run after it. */
  sync(context: Context): Promise<void> {
    if (this.#syncing) {
      this.#again = true;
      return this.#syncing;
    }
    this.#syncing = (async () => {
      try {
        do {
          this.#again = false;
          await this.#syncOnce(context);
        } while (this.#again);
      } finally {
        this.#syncing = undefined;
      }
    })();
    return this.#syncing;
  }

  async #register(context: Context): Promise<void> {
    const away = new Backoff({ initialMs: 200, factor: 1.3, maxMs: registerRetryMs, jitter: 0 }, this.#options.random);
    for (;;) {
      try {
        this.#node = await this.#createOrAdopt(context);
        return;
      } catch (error) {
        context.check();
        this.#options.logger.warn('cannot register the node yet', {
          node: this.#options.nodeName,
          error: messageOf(error),
        });
        await this.#clock.sleep(context, isStatus(error, 'ServiceUnavailable') ? away.next() : registerRetryMs);
      }
    }
  }

  async #createOrAdopt(context: Context): Promise<Node> {
    const { nodeName, taints = [], runtime } = this.#options;
    const labels = nodeLabels(this.#options);
    const draft: Node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: {
        name: nodeName,
        labels,
        annotations: { 'volumes.kubernetes.io/controller-managed-attach-detach': 'true' },
      },
      spec: taints.length > 0 ? { taints } : {},
    };
    const [runtimeStatus, images] = await Promise.all([runtime.status(context), runtime.listImages(context)]);
    const nowMs = this.#clock.now();
    const status = this.#status(draft, runtimeStatus, images, nowMs);
    try {
      const created = await this.#nodes.create(context, { ...draft, status });
      this.#announce(created, undefined, created.status);
      return created;
    } catch (error) {
      if (!isStatus(error, 'AlreadyExists')) throw error;
    }
    const existing = await this.#nodes.get(context, '', nodeName);
    const wanted = { ...existing.metadata.labels, ...labels };
    if (jsonEqual(wanted, existing.metadata.labels)) return existing;
    return this.#nodes.patch(context, '', nodeName, 'merge', { metadata: { labels } });
  }

  async #syncOnce(context: Context): Promise<void> {
    const { nodeName, runtime } = this.#options;
    const before = this.#node ?? (await this.#nodes.get(context, '', nodeName));
    const podCidr = before.spec?.podCIDR;
    if (podCidr !== undefined && podCidr !== this.#podCidr) {
      await runtime.updateRuntimeConfig(context, { podCidr });
      this.#podCidr = podCidr;
    }
    const seen = await this.#askRuntime(context);
    const nowMs = this.#clock.now();
    const status = this.#status(before, seen.status, seen.images, nowMs);
    const changed = !jsonEqual(withoutHeartbeats(status), withoutHeartbeats(before.status));
    if (!changed && nowMs - this.#lastReportMs < timings.nodeStatusReportMs) return;
    await this.#write(context, before, status);
  }

  /** A runtime that does not answer counts as down after a while (baseRuntimeSyncThreshold of pkg/kubelet, release 1.36). */
  async #askRuntime(context: Context): Promise<RuntimeSeen> {
    const { runtime } = this.#options;
    try {
      const [status, images] = await Promise.all([runtime.status(context), runtime.listImages(context)]);
      this.#seen = { status, images, atMs: this.#clock.now() };
      return this.#seen;
    } catch (error) {
      context.check();
      if (!(error instanceof CriError) || !this.#seen) throw error;
      if (this.#clock.now() - this.#seen.atMs < runtimeSilenceMs) return this.#seen;
      return { ...this.#seen, status: { ...this.#seen.status, runtimeReady: false } };
    }
  }

  #status(before: Node, runtime: RuntimeStatus, images: readonly Image[], nowMs: number): NodeStatus {
    return buildNodeStatus({ options: this.#options, before, runtime, images, under: this.#under, nowMs });
  }

  async #write(context: Context, before: Node, status: NodeStatus): Promise<void> {
    try {
      this.#node = await this.#nodes.updateStatus(context, { ...before, status });
      this.#lastReportMs = this.#clock.now();
      this.#announce(this.#node, before.status, status);
    } catch (error) {
      if (isStatus(error, 'NotFound')) {
        this.#node = undefined;
        await this.#register(context);
      } else if (isStatus(error, 'Conflict')) {
        this.#node = await this.#nodes.get(context, '', this.#options.nodeName);
        this.#again = true;
      } else throw error;
    }
  }

  /** `Node x status is now: NodeReady`, whenever a condition turned. */
  #announce(node: Node, before: NodeStatus | undefined, after: NodeStatus | undefined): void {
    const names: readonly (readonly [string, string, string])[] = [
      ['MemoryPressure', 'NodeHasInsufficientMemory', 'NodeHasSufficientMemory'],
      ['DiskPressure', 'NodeHasDiskPressure', 'NodeHasNoDiskPressure'],
      ['PIDPressure', 'NodeHasInsufficientPID', 'NodeHasSufficientPID'],
      ['Ready', 'NodeReady', 'NodeNotReady'],
    ];
    for (const [type, whenTrue, whenFalse] of names) {
      const [was, is] = [conditionStatus(before, type), conditionStatus(after, type)];
      if (was === is || (type === 'Ready' && was === undefined && is === 'False')) continue;
      const reason = is === 'True' ? whenTrue : whenFalse;
      this.#options.recorder.event(
        asEventTarget(node),
        'Normal',
        reason,
        `Node ${this.#options.nodeName} status is now: ${reason}`,
      );
    }
  }

  async #statusLoop(context: Context): Promise<void> {
    for (;;) {
      // A node that comes up is Ready as soon as its network is.
      const ready = conditionStatus(this.#node?.status, 'Ready') === 'True';
      await this.#clock.sleep(context, ready ? timings.nodeStatusUpdateMs : timings.nodeUnreadyUpdateMs);
      await this.sync(context).catch((error: unknown) => {
        context.check();
        this.#options.logger.warn('node status not written', { node: this.#options.nodeName, error: messageOf(error) });
      });
    }
  }

  async #leaseLoop(context: Context): Promise<void> {
    for (;;) {
      // A connection that hangs must not hold up the one after it.
      const limit = context.withTimeout(this.#clock, timings.leaseRenewMs);
      const renewed = this.#renew(limit.context).finally(() => limit.cancel());
      await renewed.catch((error: unknown) => {
        context.check();
        this.#lease = undefined;
        this.#options.logger.warn('lease not renewed', { node: this.#options.nodeName, error: messageOf(error) });
      });
      await this.#clock.sleep(context, timings.leaseRenewMs);
    }
  }

  async #renew(context: Context): Promise<void> {
    const { nodeName } = this.#options;
    const renewTime = formatMicroTime(this.#clock.now());
    const held = this.#lease ?? (await this.#findLease(context));
    if (held) {
      this.#lease = await this.#leases.update(context, {
        ...held,
        spec: { ...held.spec, holderIdentity: nodeName, leaseDurationSeconds: timings.leaseDurationSeconds, renewTime },
      });
      return;
    }
    const { uid } = this.#node?.metadata ?? {};
    const owner = uid ? { ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }] } : {};
    this.#lease = await this.#leases.create(context, {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: nodeName, namespace: leaseNamespace, ...owner },
      spec: { holderIdentity: nodeName, leaseDurationSeconds: timings.leaseDurationSeconds, renewTime },
    });
  }

  async #findLease(context: Context): Promise<Lease | undefined> {
    try {
      return await this.#leases.get(context, leaseNamespace, this.#options.nodeName);
    } catch (error) {
      if (isStatus(error, 'NotFound')) return undefined;
      throw error;
    }
  }
}

/** The kubelet's events about its node carry the node's name as uid; kubectl looks for both. */
function asEventTarget(node: Node): Node {
  return { ...node, metadata: { ...node.metadata, uid: node.metadata.name ?? '' } };
}

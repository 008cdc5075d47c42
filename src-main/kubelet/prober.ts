import type { Container, Pod, Probe } from '#api/gen/types';
import type { Context } from '#base/context';
import { CancelledError, messageOf } from '#base/errors';
import { CriError, type ContainerStatus } from '#cri/cri';
import type { ProbeVerdicts } from './container-statuses.ts';
import type { PodEvents } from './events.ts';
import { grpcCheck } from './grpc-probe.ts';
import { httpGet, tcpCheck } from './handlers.ts';
import type { KubeletOptions } from './options.ts';

/**
 * A container gets a moment to open its port before the first probe: upstream's relisting has the same effect, and without
 * it a server that needs 50 ms would be unready for a whole period.
 */
const firstProbeMs = 250;

type ProbeKind = 'startup' | 'readiness' | 'liveness';
const kinds: readonly ProbeKind[] = ['startup', 'readiness', 'liveness'];

interface ProbeWorker {
  readonly kind: ProbeKind;
  passed: boolean | undefined;
  /** Results of the same outcome in a row. */
  inARow: number;
  lastPassed: boolean | undefined;
  readonly cancel: () => void;
}

function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  if (kind === 'startup') return container.startupProbe;
  return kind === 'readiness' ? container.readinessProbe : container.livenessProbe;
}

/** Probes running containers and remembers the verdicts (pkg/kubelet/prober, release 1.36). */
export class Prober implements ProbeVerdicts {
  readonly #options: KubeletOptions;
  readonly #events: PodEvents;
  readonly #context: Context;
  readonly #changed: (podUid: string) => void;
  /** By container id, then by kind. */
  readonly #workers = new Map<string, Map<ProbeKind, ProbeWorker>>();

  constructor(context: Context, options: KubeletOptions, events: PodEvents, changed: (podUid: string) => void) {
    this.#context = context;
    this.#options = options;
    this.#events = events;
    this.#changed = changed;
  }

  ready(containerId: string, container: Container): boolean {
    if (!this.started(containerId, container)) return false;
    return !container.readinessProbe || this.#verdict(containerId, 'readiness') === true;
  }

  started(containerId: string, container: Container): boolean {
    return !container.startupProbe || this.#verdict(containerId, 'startup') === true;
  }

  /** Which probe says that the container must be restarted. */
  failed(containerId: string): 'startup' | 'liveness' | undefined {
    if (this.#verdict(containerId, 'startup') === false) return 'startup';
    return this.#verdict(containerId, 'liveness') === false ? 'liveness' : undefined;
  }

  /** Probes this running container from now on; again is fine. */
  watch(pod: Pod, container: Container, status: ContainerStatus, podIP: string): void {
    if (this.#workers.has(status.id) || !kinds.some((kind) => probeOf(container, kind))) return;
    const workers = new Map<ProbeKind, ProbeWorker>();
    this.#workers.set(status.id, workers);
    for (const kind of kinds) {
      const probe = probeOf(container, kind);
      if (!probe) continue;
      const { context, cancel } = this.#context.withCancel();
      const worker: ProbeWorker = {
        kind,
        passed: kind === 'liveness' || wasPassed(pod, status.id, kind) ? true : undefined,
        inARow: 0,
        lastPassed: undefined,
        cancel,
      };
      workers.set(kind, worker);
      void this.#run(context, worker, probe, { pod, container, status, podIP }).catch((error: unknown) => {
        if (error instanceof CancelledError) return;
        this.#options.logger.error('probe worker stopped: this is a bug', {
          pod: pod.metadata.name,
          error: messageOf(error),
        });
      });
    }
  }

  forget(containerId: string): void {
    for (const worker of this.#workers.get(containerId)?.values() ?? []) worker.cancel();
    this.#workers.delete(containerId);
  }

  /** Stops probing what is not in `running`, of one pod. */
  keepOnly(known: readonly string[], running: ReadonlySet<string>): void {
    for (const id of known) if (!running.has(id)) this.forget(id);
  }

  #verdict(containerId: string, kind: ProbeKind): boolean | undefined {
    const worker = this.#workers.get(containerId)?.get(kind);
    return worker?.passed;
  }

  async #run(context: Context, worker: ProbeWorker, probe: Probe, target: ProbeTarget): Promise<void> {
    const { clock } = this.#options;
    const delayMs = Math.max(firstProbeMs, (probe.initialDelaySeconds ?? 0) * 1000);
    const leftMs = (target.status.startedAtMs ?? clock.now()) + delayMs - clock.now();
    if (leftMs > 0) await clock.sleep(context, leftMs);
    for (;;) {
      const started = worker.kind === 'startup' || this.started(target.status.id, target.container);
      if (worker.kind === 'startup' && worker.passed === true) return;
      if (started) await this.#probeOnce(context, worker, probe, target);
      // Once started, readiness is wanted at once, not a period later.
      const waitMs = started ? (probe.periodSeconds ?? 10) * 1000 : 100;
      await clock.sleep(context, waitMs);
    }
  }

  async #probeOnce(context: Context, worker: ProbeWorker, probe: Probe, target: ProbeTarget): Promise<void> {
    const failure = await this.#attempt(context, probe, target);
    context.check();
    const passed = failure === undefined;
    if (failure !== undefined) {
      const name = worker.kind.charAt(0).toUpperCase() + worker.kind.slice(1);
      this.#events.unhealthy(target.pod, target.container, `${name} probe failed: ${failure}`);
    }
    worker.inARow = worker.lastPassed === passed ? worker.inARow + 1 : 1;
    worker.lastPassed = passed;
    const threshold = passed ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
    if (worker.inARow < threshold) return;
    if (worker.passed === passed) return;
    worker.passed = passed;
    this.#changed(target.pod.metadata.uid ?? '');
    // A container about to be restarted is not probed again: its successor is.
    if (!passed && worker.kind !== 'readiness') worker.cancel();
  }

  /** Why the probe failed; undefined when it passed. */
  async #attempt(context: Context, probe: Probe, target: ProbeTarget): Promise<string | undefined> {
    const { clock, network, runtime } = this.#options;
    const timeoutSeconds = probe.timeoutSeconds ?? 1;
    const { context: limited, cancel } = context.withTimeout(clock, timeoutSeconds * 1000);
    try {
      if (probe.exec) {
        const result = await runtime.execSync(context, target.status.id, probe.exec.command ?? [], timeoutSeconds);
        return result.exitCode === 0 ? undefined : Buffer.concat([result.stdout, result.stderr]).toString('utf8');
      }
      if (probe.httpGet) {
        const answer = await httpGet(
          limited,
          network,
          probe.httpGet,
          target.container,
          target.podIP,
          'kube-probe/1.36',
        );
        return answer.status >= 200 && answer.status < 400
          ? undefined
          : `HTTP probe failed with statuscode: ${answer.status}`;
      }
      if (probe.tcpSocket) await tcpCheck(limited, network, probe.tcpSocket, target.container, target.podIP);
      else if (probe.grpc) {
        const { port, service = '' } = probe.grpc;
        await grpcCheck(limited, network, target.podIP, port, service, timeoutSeconds);
      }
      return undefined;
    } catch (error) {
      context.check();
      if (error instanceof CriError && error.code === 'DeadlineExceeded') {
        return `command timed out: ${(probe.exec?.command ?? []).join(' ')} timed out after ${timeoutSeconds}s`;
      }
      return messageOf(error);
    } finally {
      cancel();
    }
  }
}

/**
 * What the API says of a container that an earlier life of this kubelet probed: it stays as ready as it was until a probe
 * fails, or a restart of the kubelet would cost its connections.
 */
function wasPassed(pod: Pod, containerId: string, kind: ProbeKind): boolean {
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  const known = [...initContainerStatuses, ...containerStatuses].find((status) =>
    status.containerID?.endsWith(`://${containerId}`),
  );
  return (kind === 'readiness' ? known?.ready : known?.started) === true;
}

interface ProbeTarget {
  readonly pod: Pod;
  readonly container: Container;
  readonly status: ContainerStatus;
  readonly podIP: string;
}

import type { ObjectMeta, Pod } from '#api/gen/types';
import type { GroupVersionResource, KubeObject } from '#api/machinery/object';
import { formatTime, SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { daemonSets, deployments, pods, replicaSets, statefulSets } from '#client/resources';
import { FakeApiServer } from '#client/testing/fake-api-server';
import { RememberingRecorder } from '#client/testing/fixtures';
import type { TransportRequest } from '#client/transport';
import type { Controller, ControllerOptions } from '../controller.ts';

const workloads: readonly GroupVersionResource[] = [deployments, replicaSets, statefulSets, daemonSets];

/** The fake API server, but annotations may be written with a status, as the strategies of the real one allow. */
class WorkloadServer extends FakeApiServer {
  override async request(context: Context, request: TransportRequest): Promise<unknown> {
    const answer = await super.request(context, request);
    const resource = workloads.find((each) => request.path.includes(`/${each.resource}/`));
    if (request.method !== 'PUT' || !request.path.endsWith('/status') || !resource) return answer;
    const { annotations } = (request.body as KubeObject).metadata;
    const stored = answer as KubeObject;
    if (annotations === stored.metadata.annotations) return answer;
    return this.put(resource, { ...stored, metadata: { ...stored.metadata, annotations: annotations ?? {} } });
  }
}

/** A stepped cluster without nodes: the test plays the kubelet. */
export interface WorkloadFixture {
  readonly clock: SteppedClock;
  readonly server: WorkloadServer;
  readonly recorder: RememberingRecorder;
  readonly options: ControllerOptions;
  /** Starts the controllers over filled caches and waits until everything is still. */
  begin(...controllers: Controller[]): Promise<void>;
  /** Lets `ms` pass in small steps, so that batches are answered. */
  pass(ms?: number): Promise<void>;
  activePods(): readonly Pod[];
  /** Replaces the status of a pod: Running and Ready unless told otherwise. */
  setPod(pod: Pod, phase?: string, ready?: boolean, more?: Partial<Pod['status']>): void;
  /** Every pod that is not yet Ready becomes it. */
  readyAll(): void;
  /** Pods that were asked to go are gone. */
  reap(): void;
}

export function workloadFixture(): WorkloadFixture {
  const clock = new SteppedClock(Date.UTC(2026, 0, 1));
  const server = new WorkloadServer(clock);
  const { client } = server;
  const random = new SeededRandom(1);
  const { context } = Context.background().withCancel();
  const informers = new SharedInformerFactory({ client, clock, random, logger: silentLogger });
  const recorder = new RememberingRecorder();
  const allPods = (): readonly Pod[] => server.all<Pod>(pods);
  const setPod: WorkloadFixture['setPod'] = (pod, phase = 'Running', ready = true, more = {}) => {
    const lastTransitionTime = formatTime(clock.now());
    const condition = { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime };
    server.put(pods, { ...pod, status: { phase, conditions: [condition], ...more } });
  };
  const fixture: WorkloadFixture = {
    clock,
    server,
    recorder,
    options: { client, informers, clock, random, logger: silentLogger, recorder },
    async begin(...controllers) {
      informers.start(context);
      await informers.waitForSync(context);
      for (const controller of controllers) controller.start(context);
      await fixture.pass();
    },
    async pass(ms = 200) {
      await server.step(ms);
    },
    activePods: () => allPods().filter((pod) => !pod.metadata.deletionTimestamp && !isFinished(pod)),
    setPod,
    readyAll() {
      for (const pod of fixture.activePods()) if (!isReady(pod)) setPod(pod);
    },
    reap() {
      for (const pod of allPods()) {
        if (pod.metadata.deletionTimestamp) server.remove(pods, `${pod.metadata.namespace}/${pod.metadata.name}`);
      }
    },
  };
  return fixture;
}

function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}

export function isReady(pod: Pod): boolean {
  return !!pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True');
}

export function meta(name: string, more: Partial<ObjectMeta> = {}): ObjectMeta {
  return { name, namespace: 'default', generation: 1, ...more };
}

/** A pod template with the label `app`. */
export function template(app = 'web', image = 'nginx:1'): { metadata: ObjectMeta; spec: Pod['spec'] } {
  return { metadata: { labels: { app } }, spec: { containers: [{ name: 'main', image }] } };
}

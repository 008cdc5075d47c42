import type { Node, Pod, PodSpec } from '#api/gen/types';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from '#client/informer';
import { nodes, pods } from '#client/resources';
import { FakeApiServer } from '#client/testing/fake-api-server';
import { RememberingRecorder } from '#client/testing/fixtures';
import { SimulatedRuntime } from '#cri/simulator/runtime';
import { MemoryNetwork } from '#cri/simulator/testing/memory-network';
import { Kubelet } from '#kubelet/kubelet';

/** A kubelet with a simulated runtime and a fake API server, on a stepped clock. */
export class KubeletFixture {
  readonly clock = new SteppedClock();
  readonly server = new FakeApiServer(this.clock);
  readonly network = new MemoryNetwork();
  readonly recorder = new RememberingRecorder();
  readonly context = Context.background();
  readonly runtime: SimulatedRuntime;
  readonly kubelet: Kubelet;

  constructor() {
    const { clock, server, network, recorder } = this;
    const random = new SeededRandom(5);
    this.runtime = new SimulatedRuntime({ clock, random, logger: silentLogger, network });
    const { client } = server;
    this.kubelet = new Kubelet({
      nodeName: 'node-1',
      client,
      informers: () => new SharedInformerFactory({ client, clock, random, logger: silentLogger }),
      runtime: this.runtime,
      files: this.runtime.files,
      network: network.host,
      clock,
      random,
      logger: silentLogger,
      recorder: () => recorder,
      machine: {
        cpus: 4,
        memoryBytes: 8 * 1024 ** 3,
        internalIP: '192.168.0.10',
        osImage: 'Drydock',
        kernelVersion: '6.1.0-drydock',
        containerRuntimeVersion: 'simulator://1.0.0',
      },
      clusterDNS: ['10.96.0.10'],
    });
  }

  async start(): Promise<void> {
    const starting = this.kubelet.start(this.context);
    await this.server.settle();
    await starting;
    await this.server.settle();
  }

  /** Creates a pod bound to the node and lets everything settle. */
  async run(name: string, spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>, waitMs = 2_000): Promise<Pod> {
    this.server.put(pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: 'default', generation: 1 },
      spec: { nodeName: 'node-1', restartPolicy: 'Always', ...spec },
      status: { phase: 'Pending', qosClass: 'BestEffort', conditions: [{ type: 'PodScheduled', status: 'True' }] },
    });
    await this.server.step(waitMs);
    return this.pod(name);
  }

  pod(name: string): Pod {
    const found = this.find(name);
    if (!found) throw new Error(`no pod ${name}`);
    return found;
  }

  find(name: string): Pod | undefined {
    return this.server.get<Pod>(pods, `default/${name}`);
  }

  node(): Node {
    const node = this.server.get<Node>(nodes, 'node-1');
    if (!node) throw new Error('no node');
    return node;
  }

  /** `Type=Status` of every condition, in order. */
  conditions(name: string): readonly string[] {
    return (this.pod(name).status?.conditions ?? []).map((item) => `${item.type}=${item.status}`);
  }

  statusWrites(name: string): number {
    return this.server.requests.filter((request) => request.path.endsWith(`/pods/${name}/status`)).length;
  }
}

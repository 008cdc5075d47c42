import type { ConfigMap, Node, Pod } from '#api/gen/types';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger, type Logger } from '#base/logger';
import { SeededRandom, type Random } from '#base/random';
import type { EventRecorder, InformerFactory, KubeClient } from '../client.ts';
import { SharedInformerFactory } from '../informer.ts';
import { FakeApiServer } from './fake-api-server.ts';

/** An event as a recorder was given it, `<type> <reason> <message>`. */
export class RememberingRecorder implements EventRecorder {
  readonly lines: string[] = [];

  event(_about: unknown, type: string, reason: string, message: string): void {
    this.lines.push(`${type} ${reason} ${message}`);
  }
}

/** What every controller's constructor takes, over a fake API server and a stepped clock. */
export interface ControllerFixture {
  readonly clock: SteppedClock;
  readonly server: FakeApiServer;
  readonly context: Context;
  readonly recorder: RememberingRecorder;
  readonly parts: {
    readonly client: KubeClient;
    readonly informers: InformerFactory;
    readonly clock: SteppedClock;
    readonly random: Random;
    readonly logger: Logger;
    readonly recorder: RememberingRecorder;
  };
  /** Starts the informers the controllers have asked for and waits until everything is still. */
  begin(): Promise<void>;
}

export function controllerFixture(startMs = Date.UTC(2026, 0, 1)): ControllerFixture {
  const clock = new SteppedClock(startMs);
  const server = new FakeApiServer(clock);
  const { client } = server;
  const random = new SeededRandom(1);
  const { context } = Context.background().withCancel();
  const informers = new SharedInformerFactory({ client, clock, random, logger: silentLogger });
  const recorder = new RememberingRecorder();
  const parts = { client, informers, clock, random, logger: silentLogger, recorder };
  const begin = async (): Promise<void> => {
    informers.start(context);
    await informers.waitForSync(context);
    await server.settle();
  };
  return { clock, server, context, recorder, parts, begin };
}

export function configMap(name: string, namespace = 'default'): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } };
}

/** A Pod as a fixture: its parts replace the defaults one level deep. */
export function pod(name: string, parts: Partial<Pick<Pod, 'metadata' | 'spec' | 'status'>> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', ...parts.metadata },
    spec: { containers: [{ name: 'main', image: 'web' }], ...parts.spec },
    ...(parts.status ? { status: parts.status } : {}),
  };
}

/** A Ready Node with 4 CPUs, 8 GiB and room for 110 pods. */
export function node(name: string, parts: Partial<Pick<Node, 'metadata' | 'spec' | 'status'>> = {}): Node {
  const capacity = { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '100Gi' };
  const conditions = [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }];
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name }, ...parts.metadata },
    spec: { ...parts.spec },
    status: { capacity, allocatable: capacity, conditions, ...parts.status },
  };
}

import { beforeEach, describe, expect, it } from 'vitest';
import type { Lease } from '#api/gen/types';
import { leases, nodes, pods } from '#client/resources';
import { KubeletFixture } from './kubelet-fixture.ts';

let at: KubeletFixture;
beforeEach(async () => {
  at = new KubeletFixture();
  await at.start();
});

const nginx = { containers: [{ name: 'web', image: 'nginx' }] };

describe('the node', () => {
  it('registers Ready with capacity, addresses and upstream reasons', () => {
    const { status, metadata } = at.node();
    expect(metadata.labels?.['kubernetes.io/hostname']).toBe('node-1');
    expect(status?.capacity?.['memory']).toBe('8388608Ki');
    expect(status?.conditions?.at(-1)).toMatchObject({
      type: 'Ready',
      status: 'True',
      reason: 'KubeletReady',
      message: 'kubelet is posting ready status',
    });
    expect(at.recorder.lines).toContain('Normal NodeReady Node node-1 status is now: NodeReady');
  });

  it('is not Ready without a pod network, and is as soon as it has one', async () => {
    const other = new KubeletFixture();
    other.network.podCidr = undefined;
    await other.start();
    expect(other.node().status?.conditions?.at(-1)?.message).toBe(
      'container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized',
    );
    other.server.put(nodes, { ...other.node(), spec: { podCIDR: '10.244.1.0/24' } });
    await other.server.settle();
    expect(other.node().status?.conditions?.at(-1)?.status).toBe('True');
  });

  it('renews its lease every ten seconds', async () => {
    const before = at.server.get<Lease>(leases, 'kube-node-lease/node-1')?.spec?.renewTime;
    await at.server.step(10_000);
    const after = at.server.get<Lease>(leases, 'kube-node-lease/node-1')?.spec;
    expect(before).toBeDefined();
    expect(after?.renewTime).not.toBe(before);
    expect(after?.leaseDurationSeconds).toBe(40);
  });
});

describe('a pod', () => {
  it('becomes Running and Ready with the status and events of upstream', async () => {
    const pod = await at.run('web', nginx);
    expect(at.conditions('web')).toEqual([
      'PodReadyToStartContainers=True',
      'Initialized=True',
      'Ready=True',
      'ContainersReady=True',
      'PodScheduled=True',
    ]);
    expect(pod.status).toMatchObject({ phase: 'Running', hostIP: '192.168.0.10', qosClass: 'BestEffort' });
    expect(pod.status?.podIP).toMatch(/^10\.244\.0\./);
    expect(pod.status?.containerStatuses?.[0]).toMatchObject({
      ready: true,
      started: true,
      restartCount: 0,
      image: 'docker.io/library/nginx:latest',
      containerID: expect.stringMatching(/^simulator:\/\/[0-9a-f]{64}$/),
    });
    expect(at.recorder.lines.slice(-4)).toEqual([
      'Normal Pulling Pulling image "nginx"',
      expect.stringMatching(
        /^Normal Pulled Successfully pulled image "nginx" in \d+ms \(\d+ms including waiting\)\. Image size: 72326000 bytes\.$/,
      ),
      'Normal Created Container created',
      'Normal Started Container started',
    ]);
  });

  it('needs a single status write when its image is there', async () => {
    await at.run('first', { containers: [{ name: 'web', image: 'nginx:1.27' }] });
    await at.run('second', { containers: [{ name: 'web', image: 'nginx:1.27' }] });
    expect(at.statusWrites('second')).toBe(1);
    expect(at.recorder.lines).toContain(
      'Normal Pulled Container image "nginx:1.27" already present on machine and can be accessed by the pod',
    );
  });

  it('waits in ErrImagePull, then ImagePullBackOff, for an image that is not there', async () => {
    const pod = await at.run('bad', { containers: [{ name: 'main', image: 'nginx:1.161' }] }, 1_000);
    const text =
      'rpc error: code = NotFound desc = failed to pull and unpack image "docker.io/library/nginx:1.161": failed to resolve reference "docker.io/library/nginx:1.161": docker.io/library/nginx:1.161: not found';
    expect(pod.status?.phase).toBe('Pending');
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting).toEqual({ reason: 'ErrImagePull', message: text });
    await at.server.step(5_000);
    expect(at.pod('bad').status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'ImagePullBackOff',
      message: `Back-off pulling image "nginx:1.161": ErrImagePull: ${text}`,
    });
    expect(at.recorder.lines).toContain('Normal BackOff Back-off pulling image "nginx:1.161"');
  });

  it('restarts a failing container with growing delays', async () => {
    await at.run('crash', { containers: [{ name: 'main', image: 'busybox', command: ['sleep', 'nonsense'] }] }, 5_000);
    const status = at.pod('crash').status?.containerStatuses?.[0];
    expect(status?.restartCount).toBe(1);
    expect(status?.state?.waiting?.reason).toBe('CrashLoopBackOff');
    expect(status?.state?.waiting?.message).toMatch(
      /^back-off 10s restarting failed container=main pod=crash_default\(/,
    );
    expect(status?.lastState?.terminated).toMatchObject({ exitCode: 1, reason: 'Error' });
    await at.server.step(10_000);
    expect(at.pod('crash').status?.containerStatuses?.[0]?.restartCount).toBe(2);
    expect(at.pod('crash').status?.containerStatuses?.[0]?.state?.waiting?.message).toContain('back-off 20s');
  });

  it('shows why a container cannot be started, then that it backs off', async () => {
    const spec = { containers: [{ name: 'main', image: 'busybox', command: ['nosuch'] }] };
    const state = (name: string) => at.pod(name).status?.containerStatuses?.[0];
    await at.run('bad', spec);
    const message = expect.stringMatching(/exec: "nosuch": executable file not found in \$PATH: unknown$/);
    expect(state('bad')?.state).toEqual({ waiting: { reason: 'RunContainerError', message } });
    expect(state('bad')?.lastState?.terminated).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      message,
      startedAt: '1970-01-01T00:00:00Z',
    });
    expect(at.pod('bad').status?.phase).toBe('Running');
    await at.server.step(5_000);
    expect(state('bad')?.state?.waiting?.reason).toBe('CrashLoopBackOff');
    await at.run('bad-once', { ...spec, restartPolicy: 'Never' });
    expect(at.pod('bad-once').status?.phase).toBe('Failed');
    expect(state('bad-once')).toMatchObject({
      restartCount: 0,
      lastState: {},
      state: { terminated: { exitCode: 128, reason: 'StartError', message } },
    });
  });

  it('ends as Succeeded when its containers do', async () => {
    const pod = await at.run('job', {
      restartPolicy: 'Never',
      containers: [{ name: 'main', image: 'busybox', command: ['sleep', '1'] }],
    });
    await at.server.step(2_000);
    expect(pod.metadata.name).toBe('job');
    expect(at.pod('job').status?.phase).toBe('Succeeded');
    expect(at.conditions('job').slice(0, 4)).toEqual([
      'PodReadyToStartContainers=False',
      'Initialized=True',
      'Ready=False',
      'ContainersReady=False',
    ]);
    expect(at.pod('job').status?.conditions?.[2]?.reason).toBe('PodCompleted');
  });

  it('runs init containers one after the other before its own', async () => {
    await at.run('staged', {
      initContainers: [
        { name: 'one', image: 'busybox', command: ['sleep', '5'] },
        { name: 'two', image: 'busybox', command: ['sleep', '5'] },
      ],
      containers: [{ name: 'web', image: 'nginx' }],
    });
    const early = at.pod('staged').status;
    expect(early?.phase).toBe('Pending');
    expect(early?.initContainerStatuses?.map((status) => Object.keys(status.state ?? {})[0])).toEqual([
      'running',
      'waiting',
    ]);
    expect(early?.containerStatuses?.[0]?.state?.waiting?.reason).toBe('PodInitializing');
    expect(early?.conditions?.find((item) => item.type === 'Initialized')?.message).toBe(
      'containers with incomplete status: [one two]',
    );
    await at.server.step(12_000);
    expect(at.pod('staged').status?.phase).toBe('Running');
    expect(at.pod('staged').status?.initContainerStatuses?.every((status) => status.ready)).toBe(true);
  });

  it('waits for a ConfigMap it mounts, and goes on when that appears', async () => {
    const volumes = [{ name: 'conf', configMap: { name: 'site' } }];
    await at.run('mounted', {
      volumes,
      containers: [
        { name: 'web', image: 'nginx', volumeMounts: [{ name: 'conf', mountPath: '/usr/share/nginx/html' }] },
      ],
    });
    expect(at.recorder.lines).toContain(
      'Warning FailedMount MountVolume.SetUp failed for volume "conf" : configmap "site" not found',
    );
    const { client } = at.server;
    const configMaps = { group: '', version: 'v1', resource: 'configmaps' };
    await client.resource(configMaps).create(at.context, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'site', namespace: 'default' },
      ...{ data: { 'index.html': 'hello from a config map' } },
    });
    await at.server.step(5_000);
    expect(at.pod('mounted').status?.phase).toBe('Running');
  });

  it('says CreateContainerConfigError for a missing Secret key', async () => {
    const env = [{ name: 'X', valueFrom: { secretKeyRef: { name: 'nope', key: 'k' } } }];
    const pod = await at.run('env', { containers: [{ name: 'web', image: 'nginx', env }] });
    expect(pod.status?.containerStatuses?.[0]?.state?.waiting).toEqual({
      reason: 'CreateContainerConfigError',
      message: 'secret "nope" not found',
    });
    expect(at.recorder.lines).toContain('Warning Failed Error: secret "nope" not found');
  });
});

describe('deletion', () => {
  const del = (name: string, gracePeriodSeconds?: number): Promise<void> =>
    at.server.client
      .resource(pods)
      .delete(at.context, 'default', name, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds });

  it('stops a server that heeds SIGTERM and removes the pod', async () => {
    await at.run('web', nginx);
    await del('web');
    await at.server.step(500);
    expect(at.find('web')).toBeUndefined();
    expect(at.recorder.lines).toContain('Normal Killing Stopping container web');
    expect(await at.runtime.listPodSandboxes(at.context)).toEqual([]);
  });

  it('waits out the grace period of one that does not, and a shorter one asked for later', async () => {
    await at.run('sleepy', { containers: [{ name: 'main', image: 'busybox', command: ['sleep', '3600'] }] });
    await del('sleepy');
    await at.server.step(20_000);
    expect(at.find('sleepy')?.metadata.deletionTimestamp).toBeDefined();
    await del('sleepy', 3);
    await at.server.step(3_500);
    expect(at.find('sleepy')).toBeUndefined();
  });
});

describe('probes', () => {
  it('keep a pod unready until the readiness probe passes', async () => {
    const readinessProbe = { httpGet: { port: 80, path: '/ready' }, periodSeconds: 5, failureThreshold: 1 };
    await at.run('probed', { containers: [{ name: 'web', image: 'nginx', readinessProbe }] });
    expect(at.conditions('probed')).toContain('Ready=False');
    expect(at.recorder.lines).toContain(
      'Warning Unhealthy Readiness probe failed: HTTP probe failed with statuscode: 404',
    );
  });

  it('restart a container whose liveness probe fails', async () => {
    const livenessProbe = { tcpSocket: { port: 81 }, periodSeconds: 5, failureThreshold: 2 };
    await at.run('sick', { containers: [{ name: 'web', image: 'nginx', livenessProbe }] });
    await at.server.step(10_000);
    expect(at.pod('sick').status?.containerStatuses?.[0]?.restartCount).toBe(1);
    expect(at.recorder.lines).toContain('Normal Killing Container web failed liveness probe, will be restarted');
    expect(at.recorder.lines.join('\n')).toMatch(
      /Unhealthy Liveness probe failed: dial tcp 10\.244\.0\.\d+:81: connect: connection refused/,
    );
  });
});

describe('a crash', () => {
  it('of the kubelet leaves containers running, and the next life takes them over', async () => {
    const before = await at.run('web', nginx);
    at.kubelet.crash();
    await at.start();
    await at.server.step(5_000);
    expect(at.pod('web').status?.containerStatuses).toEqual(before.status?.containerStatuses);
  });

  it('of the node loses them, and the next life starts them again', async () => {
    await at.run('web', nginx);
    at.kubelet.crash();
    at.runtime.reset();
    await at.start();
    await at.server.step(5_000);
    const status = at.pod('web').status?.containerStatuses?.[0];
    expect(status).toMatchObject({
      restartCount: 1,
      ready: true,
      lastState: { terminated: { exitCode: 255, reason: 'Unknown' } },
    });
  });
});

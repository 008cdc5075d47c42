import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Pod, PodSpec } from '#api/gen/types';
import { DockerNode } from '../../harness/docker-node.ts';
import { dockerProgram } from '../../harness/docker.ts';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';

/** A kubelet process in a node container: containerd, runc and the kernel below it, a real API server above. */

let node: DockerNode;
const image = 'busybox:1.36';
const wait = { timeout: 40_000, interval: 300 };
const kubectl = async (...args: string[]): Promise<string> => (await node.kubectl(args)).stdout.trim();
const exec = (pod: string, script: string): Promise<string> => kubectl('exec', pod, '--', 'sh', '-c', script);

async function get(name: string): Promise<Pod> {
  return JSON.parse(await kubectl('get', 'pod', name, '-o', 'json')) as Pod;
}

async function create(name: string, spec: Partial<PodSpec> & Pick<PodSpec, 'containers'>): Promise<void> {
  const pod = {
    ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name, labels: { app: name } } },
    spec: { nodeName: 'worker-1', terminationGracePeriodSeconds: 1, ...spec },
  };
  const { code, stderr } = await node.kubectl(['create', '-f', '-'], JSON.stringify(pod));
  expect(`${code} ${stderr}`).toBe('0 ');
}

const shell = (script: string) => ({ name: 'main', image, command: ['sh', '-c', script] });
const forever = 'trap "exit 0" TERM; while true; do sleep 1; done';
const ready = (name: string) =>
  expect.poll(() => kubectl('get', 'pod', name, '--no-headers'), wait).toMatch(/ (\d)\/\1 +Running /);
const ended = async (name: string) => {
  await expect.poll(async () => (await get(name)).status?.phase, wait).toMatch(/Succeeded|Failed/);
  return (await get(name)).status?.containerStatuses?.[0]?.state?.terminated;
};

describe.skipIf(skipWithout(dockerProgram(), kubectlProgram))('a kubelet on a Docker node', () => {
  beforeAll(async () => {
    node = await DockerNode.start();
  });
  afterAll(() => node?.close());

  it('joins with a token, and says what its machine is', async () => {
    await expect.poll(() => kubectl('get', 'node', 'worker-1', '--no-headers'), wait).toMatch(/worker-1 +Ready/);
    const { status } = JSON.parse(await kubectl('get', 'node', 'worker-1', '-o', 'json'));
    expect(status.capacity).toMatchObject({ cpu: '2', memory: '2Gi', pods: '110' });
    expect(status.nodeInfo.containerRuntimeVersion).toMatch(/^containerd:\/\/1\.\d+/);
    expect(status.nodeInfo.osImage).toMatch(/Debian/);
    const summary = JSON.parse((await node.exec('sh', '-c', 'cat /sys/fs/cgroup/cpu/kubepods/cpu.shares')).stdout);
    expect(summary).toBe(2048);
  });

  it('gives containers their volumes, and what changes in them while they run', async () => {
    await kubectl('create', 'configmap', 'settings', '--from-literal=color=blue');
    await kubectl('create', 'secret', 'generic', 'password', '--from-literal=word=sesame');
    const mounts = [
      { name: 'settings', mountPath: '/settings' },
      { name: 'settings', mountPath: '/pinned/color', subPath: 'color' },
      { name: 'password', mountPath: '/password' },
      { name: 'cache', mountPath: '/cache' },
      { name: 'memory', mountPath: '/memory' },
      { name: 'about', mountPath: '/about' },
    ];
    await create('volumes', {
      securityContext: { fsGroup: 2000, runAsUser: 1000, runAsGroup: 1000 },
      containers: [{ ...shell(forever), volumeMounts: mounts }],
      volumes: [
        { name: 'settings', configMap: { name: 'settings' } },
        { name: 'password', secret: { secretName: 'password', defaultMode: 0o400 } },
        { name: 'cache', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } },
        { name: 'about', downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] } },
      ],
    });
    await ready('volumes');
    expect(
      await exec('volumes', 'id -u; id -G; cat /settings/color; echo; cat /password/word; echo; cat /about/labels'),
    ).toBe('1000\n1000 2000\nblue\nsesame\napp="volumes"');
    expect(
      await exec('volumes', 'echo mine > /cache/file; stat -c %g /cache/file; stat -f -c %T /password /memory'),
    ).toBe('2000\ntmpfs\ntmpfs');
    expect(
      await exec('volumes', 'head -c 8000000 /dev/zero > /memory/big; stat -c %s /memory/big; rm /memory/big'),
    ).toBe(String(4 * 1024 * 1024));
    await kubectl('patch', 'configmap', 'settings', '-p', '{"data":{"color":"green"}}');
    await kubectl('label', 'pod', 'volumes', 'shade=dark');
    await expect.poll(() => exec('volumes', 'cat /settings/color'), wait).toBe('green');
    await expect.poll(() => exec('volumes', 'cat /about/labels'), wait).toContain('shade="dark"');
    expect(await exec('volumes', 'cat /pinned/color')).toBe('blue');
  });

  it('lets a container do what its security context says, and no more', async () => {
    const securityContext = {
      ...{ runAsUser: 1001, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
      ...{ capabilities: { drop: ['ALL'] }, seccompProfile: { type: 'RuntimeDefault' } },
    };
    await create('strict', {
      containers: [{ ...shell(forever), securityContext }],
      hostAliases: [{ ip: '1.2.3.4', hostnames: ['alias'] }],
    });
    await create('root', { containers: [{ ...shell(forever), securityContext: { runAsNonRoot: true } }] });
    await ready('strict');
    const facts = await exec(
      'strict',
      'id -u; touch /x 2>&1; grep -E "NoNewPrivs|Seccomp:|CapEff" /proc/self/status; grep alias /etc/hosts',
    );
    expect(facts.replaceAll(/\s+/g, ' ')).toBe(
      '1001 touch: /x: Read-only file system CapEff: 0000000000000000 NoNewPrivs: 1 Seccomp: 2 1.2.3.4 alias',
    );
    const waiting = async () => (await get('root')).status?.containerStatuses?.[0]?.state?.waiting;
    await expect.poll(waiting, wait).toMatchObject({
      reason: 'CreateContainerConfigError',
      message: expect.stringContaining('container has runAsNonRoot and image will run as root'),
    });
  });

  it('holds containers to their limits, and says how they ended', async () => {
    const resources = { limits: { memory: '24Mi', cpu: '250m' } };
    const restartPolicy = 'Never';
    await create('greedy', { restartPolicy, containers: [{ ...shell('tail /dev/zero'), resources }] });
    await create('message', { restartPolicy, containers: [shell('echo -n because > /dev/termination-log; exit 3')] });
    const terminationMessagePolicy = 'FallbackToLogsOnError';
    await create('lastwords', {
      restartPolicy,
      containers: [{ ...shell('echo oh no; exit 4'), terminationMessagePolicy }],
    });
    await create('limited', { containers: [{ ...shell(forever), resources }] });
    expect(await ended('greedy')).toMatchObject({ reason: 'OOMKilled', exitCode: 137 });
    expect(await ended('message')).toMatchObject({ reason: 'Error', exitCode: 3, message: 'because' });
    await expect.poll(() => ended('lastwords'), wait).toMatchObject({ exitCode: 4, message: 'oh no\n' });
    await ready('limited');
    const uid = (await get('limited')).metadata.uid ?? '';
    const { stdout } = await node.exec(
      'sh',
      '-c',
      `cd /sys/fs/cgroup && cat memory/kubepods/pod${uid}/memory.limit_in_bytes cpu/kubepods/pod${uid}/cpu.cfs_quota_us cpu/kubepods/pod${uid}/*/cpu.cfs_quota_us`,
    );
    expect(stdout.trim().split('\n')).toEqual(expect.arrayContaining([String(24 * 1024 * 1024), '25000', '25000']));
  });

  it('probes, and restarts what its probes condemn', async () => {
    await create('probed', {
      containers: [
        {
          ...shell('touch /tmp/ok; mkdir -p /www; echo ok > /www/index.html; httpd -f -p 8080 -h /www'),
          readinessProbe: { httpGet: { path: '/index.html', port: 8080 }, periodSeconds: 1 },
          livenessProbe: { exec: { command: ['test', '-f', '/tmp/ok'] }, periodSeconds: 1, failureThreshold: 1 },
        },
      ],
    });
    await ready('probed');
    await exec('probed', 'rm /tmp/ok');
    await expect.poll(async () => (await get('probed')).status?.containerStatuses?.[0]?.restartCount, wait).toBe(1);
    expect(await kubectl('get', 'events', '--field-selector', 'involvedObject.name=probed')).toMatch(
      /Unhealthy.*Liveness probe failed/,
    );
  });

  it('streams: logs that follow, input, exit codes, a port', async () => {
    await create('talker', { containers: [shell('for i in 1 2 3; do echo line $i; sleep 1; done; exec sleep 1000')] });
    await ready('talker');
    expect(await kubectl('logs', 'talker', '--follow', '--limit-bytes=21')).toBe('line 1\nline 2\nline 3');
    const echoed = await node.kubectl(['exec', '-i', 'talker', '--', 'sh', '-c', 'cat; exit 5'], 'through and back');
    expect([echoed.code, echoed.stdout]).toEqual([5, 'through and back']);
    expect((await node.kubectl(['exec', 'talker', '--', 'nosuch'])).stderr).toContain('executable file not found');
  });

  it('forwards a port', async () => {
    await ready('probed');
    const { port, close } = await node.portForward('probed', 8080);
    try {
      expect(await (await fetch(`http://127.0.0.1:${port}/index.html`)).text()).toBe('ok\n');
    } finally {
      close();
    }
  });

  it('dies without a container noticing, and goes on where it was', async () => {
    await create('orphan', { containers: [shell(forever)] });
    await Promise.all(['orphan', 'strict', 'volumes'].map(ready));
    const facts = async (name: string) => {
      const { containerStatuses = [], startTime, conditions = [] } = (await get(name)).status ?? {};
      const [status] = containerStatuses;
      const changed = conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime;
      return [status?.containerID, status?.restartCount, status?.state?.running?.startedAt, startTime, changed];
    };
    const names = ['strict', 'volumes', 'limited', 'probed'];
    await exec('volumes', 'echo kept > /memory/file');
    const before = await Promise.all(names.map(facts));
    // Held down long enough for a pod to be deleted meanwhile.
    await node.exec('sh', '-c', 'pkill -STOP -f "[c]js supervise" ; pkill -KILL -f "[c]js kubelet"');
    await kubectl('delete', 'pod', 'orphan', '--force', '--grace-period=0');
    await node.exec('pkill', '-CONT', '-f', '[c]js supervise');
    await expect.poll(() => exec('strict', 'echo back'), wait).toBe('back');
    await expect
      .poll(async () => (await node.exec('sh', '-c', 'crictl pods 2>/dev/null; ls /var/log/pods')).stdout, wait)
      .not.toContain('orphan');
    expect(await Promise.all(names.map(facts))).toEqual(before);
    expect(await exec('volumes', 'cat /memory/file /cache/file')).toBe('kept\nmine');
  });

  it('leaves nothing of a pod behind', async () => {
    const { uid = '' } = (await get('volumes')).metadata;
    await kubectl('delete', 'pod', 'volumes');
    const left = `ls -d /var/lib/kubelet/pods/${uid} /var/log/pods/*${uid} /sys/fs/cgroup/*/kubepods/*/pod${uid} 2>/dev/null; grep ${uid} /proc/mounts`;
    await expect.poll(async () => (await node.exec('sh', '-c', left)).stdout, wait).toBe('');
  });
});

import { describe, expect, it } from 'vitest';
import type { ContainerConfig, PodSandboxConfig } from '../cri.ts';
import { containerOptions, resolvConf, sandboxOptions } from './host-config.ts';

const metadata = { name: 'web', namespace: 'default', uid: '1-2', attempt: 0 };
const pod: PodSandboxConfig = { metadata, hostname: 'web', labels: {}, annotations: {}, network: 'POD' };
const cgroupfs = { cgroupDriver: 'cgroupfs' };

function container(more: Partial<ContainerConfig> = {}): ContainerConfig {
  const empty = { command: [], args: [], envs: [], mounts: [], labels: {}, annotations: {} };
  const streams = { stdin: false, stdinOnce: false, tty: false };
  return { metadata: { name: 'c', attempt: 0 }, image: 'x', ...empty, ...streams, ...more };
}

describe('a sandbox', () => {
  it('leads ports of the node into it, unless it is on the node’s network', () => {
    const portMappings = [
      { protocol: 'TCP', containerPort: 80, hostPort: 8080, hostIP: '127.0.0.1' },
      { protocol: 'UDP', containerPort: 53, hostPort: 5353, hostIP: '' },
    ] as const;
    const options = sandboxOptions({ ...pod, portMappings }, 'pods', cgroupfs);
    expect(options.HostConfig).toMatchObject({
      NetworkMode: 'pods',
      PortBindings: {
        '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }],
        '53/udp': [{ HostIp: '', HostPort: '5353' }],
      },
    });
    const onNode = sandboxOptions({ ...pod, portMappings, network: 'NODE' }, 'pods', cgroupfs);
    expect(onNode.HostConfig).toMatchObject({ NetworkMode: 'host', PortBindings: {} });
    expect(onNode.Hostname).toBeUndefined();
  });

  it('is put into the pod’s cgroup as the engine’s driver names it', () => {
    const config = { ...pod, cgroupParent: '/kubepods/burstable/pod1-2' };
    const parent = (cgroupDriver: string): unknown =>
      sandboxOptions(config, 'pods', { cgroupDriver }).HostConfig?.CgroupParent;
    expect(parent('cgroupfs')).toBe('/kubepods/burstable/pod1-2');
    expect(parent('systemd')).toBe('kubepods-burstable-pod1_2.slice');
    expect(parent('none')).toBeUndefined();
  });

  it('has the resolv.conf it is told', () => {
    const text = resolvConf({ servers: ['10.96.0.10'], searches: ['a.local', 'local'], options: ['ndots:5'] });
    expect(text).toBe('search a.local local\nnameserver 10.96.0.10\noptions ndots:5\n');
  });
});

describe('a container', () => {
  const hostConfig = (more: Partial<ContainerConfig>, user = '0'): unknown =>
    containerOptions(container(more), 'sandbox', { network: 'POD', pid: 'POD' }, user, cgroupfs).HostConfig;

  it('joins its sandbox', () => {
    const joined = 'container:sandbox';
    expect(hostConfig({})).toMatchObject({ NetworkMode: joined, IpcMode: joined, PidMode: joined });
  });

  it('propagates its mounts, also of paths that a bind cannot say', () => {
    const mounts = [
      { hostPath: '/a', containerPath: '/b', readonly: true, propagation: 'HOST_TO_CONTAINER' },
      { hostPath: '/a:a', containerPath: '/c', readonly: false, propagation: 'BIDIRECTIONAL' },
    ] as const;
    const BindOptions = { Propagation: 'rshared' };
    expect(hostConfig({ mounts })).toMatchObject({
      Binds: ['/a:/b:ro,rslave'],
      Mounts: [{ Type: 'bind', Source: '/a:a', Target: '/c', ReadOnly: false, BindOptions }],
    });
  });

  it('may not swap beyond its memory limit', () => {
    expect(hostConfig({ resources: { memoryLimitBytes: 1000 } })).toMatchObject({ Memory: 1000, MemorySwap: 1000 });
  });

  it('has a group beside the image’s own user', () => {
    const user = (more: Partial<ContainerConfig>): unknown =>
      containerOptions(container(more), 'sandbox', { network: 'POD' }, 'nginx', cgroupfs).User;
    expect([user({}), user({ runAsUser: 5 }), user({ security: { runAsGroup: 6 } })]).toEqual([
      ...[undefined, '5', 'nginx:6'],
    ]);
  });

  it('refuses a seccomp profile that is not there', () => {
    const seccomp = { type: 'Localhost', path: '/nonexistent/profile.json' } as const;
    expect(() => hostConfig({ security: { seccomp } })).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

import { expect, it } from 'vitest';
import type { ContainerConfig } from '#cri/cri';
import type { Bench } from './bench.ts';

export function isolationTests(bench: Bench): void {
  const status = async (field: string, more: Partial<ContainerConfig>): Promise<string> => {
    const id = await bench.start(['sleep', '1000'], more);
    const text = await bench.output(id, 'cat', '/proc/1/status');
    return new RegExp(`^${field}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
  };

  it('runs as the user it is told to', async () => {
    const id = await bench.start(['sleep', '1000'], { runAsUser: 1234 });
    expect(await bench.output(id, 'id', '-u')).toBe('1234\n');
  });

  bench.itCan('many users', 'has the groups it is told to', async () => {
    const security = { runAsGroup: 5678, supplementalGroups: [42, 43] };
    const id = await bench.start(['sleep', '1000'], { runAsUser: 1234, security });
    expect(await bench.output(id, 'id', '-g')).toBe('5678\n');
    expect((await bench.output(id, 'id', '-G')).trim().split(' ').sort()).toEqual(['42', '43', '5678']);
    expect(await bench.output(id, 'sh', '-c', 'touch /root/x 2>/dev/null || echo refused')).toBe('refused\n');
  });

  it('cannot write to a read-only root, and can to a volume on it', async () => {
    const hostPath = await bench.under.folder({});
    const id = await bench.start(['sleep', '1000'], {
      security: { readonlyRootfs: true },
      mounts: [{ containerPath: '/data', hostPath, readonly: false }],
    });
    const script = 'touch /x 2>/dev/null || echo refused; echo kept >/data/x && cat /data/x';
    expect(await bench.output(id, 'sh', '-c', script)).toBe('refused\nkept\n');
  });

  bench.itCan('isolation', 'has the capabilities it is left with', async () => {
    const bits = async (more: ContainerConfig['security']): Promise<bigint> =>
      BigInt(`0x${await status('CapEff', more ? { security: more } : {})}`);
    const [netAdmin, chown] = [1n << 12n, 1n << 0n];
    const usual = await bits(undefined);
    expect([usual & netAdmin, usual & chown]).toEqual([0n, chown]);
    expect(await bits({ dropCapabilities: ['ALL'] })).toBe(0n);
    expect(await bits({ dropCapabilities: ['ALL'], addCapabilities: ['NET_ADMIN'] })).toBe(netAdmin);
  });

  bench.itCan('isolation', 'is filtered by the runtime’s seccomp profile, or by none', async () => {
    expect(await status('Seccomp', { security: { seccomp: { type: 'RuntimeDefault' } } })).toBe('2');
    expect(await status('Seccomp', { security: { seccomp: { type: 'Unconfined' } } })).toBe('0');
    expect(await status('Seccomp', {})).toBe('0');
  });

  bench.itCan('isolation', 'gains no privileges when it must not, and cannot touch the kernel’s switches', async () => {
    expect(await status('NoNewPrivs', { security: { noNewPrivs: true } })).toBe('1');
    const id = await bench.start(['sleep', '1000']);
    const script = 'echo 1 2>/dev/null >/proc/sys/kernel/sysrq || echo refused; cat /proc/timer_list | wc -c';
    expect(await bench.output(id, 'sh', '-c', script)).toBe('refused\n0\n');
  });

  bench.itCan('shared namespaces', 'sees its own processes only, or those of the whole pod', async () => {
    const alone = await bench.start(['sleep', '1001']);
    expect(await bench.output(alone, 'sh', '-c', 'cat /proc/1/cmdline')).toBe('sleep\x001001\x00');
    const sandbox = await bench.runOther({ pid: 'POD' });
    await bench.start(['sleep', '1002'], {}, sandbox);
    const second = await bench.start(['sleep', '1003'], {}, sandbox);
    const processes = await bench.output(second, 'ps');
    expect(processes).toContain('sleep 1002');
    expect(processes).toContain('sleep 1003');
    expect(processes).not.toContain('sleep 1001');
  });

  bench.itCan('shared namespaces', 'shares memory within its pod and not beyond', async () => {
    const [first, second] = [await bench.start(['sleep', '1000']), await bench.start(['sleep', '1000'])];
    const other = await bench.start(['sleep', '1000'], {}, await bench.runOther());
    await bench.output(first, 'sh', '-c', 'echo shared > /dev/shm/note');
    expect(await bench.output(second, 'cat', '/dev/shm/note')).toBe('shared\n');
    expect(await bench.output(other, 'ls', '/dev/shm')).toBe('');
    const namespace = async (id: string): Promise<string> => bench.output(id, 'readlink', '/proc/self/ns/ipc');
    expect(await namespace(second)).toBe(await namespace(first));
    expect(await namespace(other)).not.toBe(await namespace(first));
  });
}

import { expect, it } from 'vitest';
import { CriError } from '#cri/cri';
import { context, type Bench } from './bench.ts';

export function sandboxTests(bench: Bench): void {
  it('has an address, is listed by pod uid, and gives back what it was told', async () => {
    const status = await bench.runtime.podSandboxStatus(context, bench.sandbox);
    expect(status).toMatchObject({
      id: bench.sandbox,
      state: 'SANDBOX_READY',
      ip: expect.stringMatching(/^\d+\.\d+\.\d+\.\d+$/),
      metadata: { name: 'pod', namespace: 'default', uid: 'uid-1', attempt: 0 },
      labels: { app: 'test' },
    });
    expect(status.annotations).toEqual({ note: 'kept' });
    const [listed] = await bench.runtime.listPodSandboxes(context, { podUid: 'uid-1' });
    expect(listed).toMatchObject({ id: bench.sandbox, annotations: { note: 'kept' } });
    expect(listed?.annotations).toEqual({ note: 'kept' });
    expect(await bench.runtime.listPodSandboxes(context, { podUid: 'other' })).toEqual([]);
  });

  it('two have addresses of their own; one on the node’s network has none', async () => {
    const other = await bench.runOther();
    const [first, second] = await Promise.all(
      [bench.sandbox, other].map((id) => bench.runtime.podSandboxStatus(context, id)),
    );
    expect(second?.ip).toBeDefined();
    expect(second?.ip).not.toBe(first?.ip);
    const metadata = { name: 'host', namespace: 'default', uid: 'uid-3', attempt: 0 };
    const onNode = await bench.runSandbox({ metadata, network: 'NODE', hostname: '' });
    expect((await bench.runtime.podSandboxStatus(context, onNode)).ip).toBeUndefined();
  });

  it('has the name servers it was given', async () => {
    const dnsConfig = { servers: ['10.96.0.10'], searches: ['a.local', 'local'], options: ['ndots:5'] };
    const sandbox = await bench.runOther({ dnsConfig });
    const id = await bench.start(['sleep', '1000'], {}, sandbox);
    const lines = (await bench.output(id, 'cat', '/etc/resolv.conf')).trim().split('\n').sort();
    expect(lines).toEqual(['nameserver 10.96.0.10', 'options ndots:5', 'search a.local local']);
  });

  it('stops with its containers, as often as asked, and then takes no more', async () => {
    const id = await bench.start(['sleep', '1000']);
    await bench.patience(bench.runtime.stopPodSandbox(context, bench.sandbox));
    await bench.patience(bench.runtime.stopPodSandbox(context, bench.sandbox));
    const status = await bench.runtime.podSandboxStatus(context, bench.sandbox);
    expect(status.state).toBe('SANDBOX_NOTREADY');
    expect(status.ip).toBeUndefined();
    expect(await bench.untilExited(id)).toMatchObject({ exitCode: 137 });
    const late = bench.start(['true']);
    await expect(late).rejects.toBeInstanceOf(CriError);
  });

  it('is removed with what it holds, as often as asked', async () => {
    const id = await bench.start(['sleep', '1000']);
    await bench.patience(bench.runtime.removePodSandbox(context, bench.sandbox));
    await bench.patience(bench.runtime.removePodSandbox(context, bench.sandbox));
    await bench.patience(bench.runtime.removeContainer(context, id));
    expect(await bench.runtime.listContainers(context)).toEqual([]);
    expect(await bench.runtime.listPodSandboxes(context)).toEqual([]);
    await expect(bench.runtime.podSandboxStatus(context, bench.sandbox)).rejects.toMatchObject({ code: 'NotFound' });
  });

  bench.itCan('sysctls', 'sets kernel parameters of its own', async () => {
    const sandbox = await bench.runOther({ sysctls: { 'net.ipv4.ip_unprivileged_port_start': '7' } });
    const id = await bench.start(['sleep', '1000'], {}, sandbox);
    expect(await bench.output(id, 'cat', '/proc/sys/net/ipv4/ip_unprivileged_port_start')).toBe('7\n');
  });

  bench.itCan('adoption', 'goes on with another client, as after a restart of the kubelet', async () => {
    const id = await bench.start(['sh', '-c', 'echo first; sleep 1000']);
    const before = await bench.runtime.containerStatus(context, id);
    const other = await bench.under.reopen?.();
    if (!other) throw new Error('the target says it can be adopted');
    expect(await other.containerStatus(context, id)).toEqual(before);
    expect(await other.podSandboxStatus(context, bench.sandbox)).toMatchObject({ state: 'SANDBOX_READY' });
    const config = bench.containerConfig(['sh', '-c', 'echo second; hostname']);
    const next = await other.createContainer(context, bench.sandbox, config);
    await other.startContainer(context, next);
    await bench.untilExited(next);
    expect(await bench.log(next)).toEqual(['stdout second', 'stdout pod-host']);
    await other.removePodSandbox(context, bench.sandbox);
    expect(await bench.runtime.listContainers(context)).toEqual([]);
  });
}

import { expect, it } from 'vitest';
import { CriError, type ContainerEvent } from '#cri/cri';
import { context, image, type Bench } from './bench.ts';

export function containerTests(bench: Bench): void {
  it('goes through created, running and exited, with its times', async () => {
    const id = await bench.create(['sh', '-c', 'sleep 0.3; exit 3']);
    const created = await bench.runtime.containerStatus(context, id);
    expect(created).toMatchObject({ state: 'CONTAINER_CREATED', podSandboxId: bench.sandbox, image });
    expect(created.annotations).toEqual({ remark: 'kept' });
    expect(created.startedAtMs).toBeUndefined();
    expect(created.exitCode).toBeUndefined();
    await bench.patience(bench.runtime.startContainer(context, id));
    const [listed] = await bench.runtime.listContainers(context, { podSandboxId: bench.sandbox });
    expect(listed).toMatchObject({ id, state: 'CONTAINER_RUNNING', labels: { tier: 'test' } });
    const status = await bench.untilExited(id);
    expect(status).toMatchObject({ exitCode: 3, reason: 'Error' });
    expect(status.startedAtMs).toBeGreaterThanOrEqual(status.createdAtMs);
    expect(status.finishedAtMs).toBeGreaterThanOrEqual(status.startedAtMs ?? Infinity);
  });

  it('has the reason Completed for 0 and 128 plus the signal for a signal', async () => {
    const [done, killed] = [await bench.start(['true']), await bench.start(['sh', '-c', 'kill -9 $$; sleep 5'], {})];
    expect(await bench.untilExited(done)).toMatchObject({ exitCode: 0, reason: 'Completed' });
    // The first process of a namespace cannot be killed from inside: it is sent by the runtime.
    await bench.patience(bench.runtime.stopContainer(context, killed, 0));
    expect(await bench.untilExited(killed)).toMatchObject({ exitCode: 137, reason: 'Error' });
  });

  it('runs arguments on the image’s own entry, and a command instead of it', async () => {
    const byArgs = await bench.start([], { args: ['echo', 'argument'] });
    const byCommand = await bench.start(['echo'], { args: ['$HOME', 'two words'] });
    await bench.untilExited(byArgs);
    await bench.untilExited(byCommand);
    expect(await bench.log(byArgs)).toEqual(['stdout argument']);
    expect(await bench.log(byCommand)).toEqual(['stdout $HOME two words']);
  });

  it('that cannot start says why and has exited', async () => {
    const id = await bench.create(['no-such-binary']);
    await expect(bench.runtime.startContainer(context, id)).rejects.toMatchObject({
      code: 'Unknown',
      message: expect.stringContaining('no-such-binary'),
    });
    expect(await bench.untilExited(id)).toMatchObject({
      exitCode: 128,
      reason: 'StartError',
      message: expect.stringContaining('no-such-binary'),
    });
    await expect(bench.runtime.startContainer(context, id)).rejects.toBeInstanceOf(CriError);
  });

  it('is sent SIGTERM first and SIGKILL when the time is over', async () => {
    const polite = await bench.start(['sh', '-c', 'trap "exit 7" TERM; while true; do sleep 0.1; done']);
    // The trap must be set before the signal comes.
    await bench.under.pass(300);
    await bench.patience(bench.runtime.stopContainer(context, polite, 30));
    await bench.patience(bench.runtime.stopContainer(context, polite, 30));
    expect(await bench.runtime.containerStatus(context, polite)).toMatchObject({ exitCode: 7 });
    const deaf = await bench.start(['sleep', '1000']);
    await bench.patience(bench.runtime.stopContainer(context, deaf, 1));
    expect(await bench.runtime.containerStatus(context, deaf)).toMatchObject({ exitCode: 137 });
  });

  it('has environment, working directory and host name', async () => {
    const envs = [
      { key: 'GREETING', value: 'hello' },
      { key: 'PATH_OF', value: 'a=b' },
    ];
    const id = await bench.start(['sleep', '1000'], { envs, workingDir: '/tmp' });
    expect(await bench.output(id, 'sh', '-c', 'echo $GREETING $PATH_OF $(pwd) $(hostname)')).toBe(
      'hello a=b /tmp pod-host\n',
    );
  });

  it('sees the node’s files where they are mounted, and changes them unless read-only', async () => {
    const hostPath = await bench.under.folder({ 'greeting.txt': 'from the node\n' });
    const id = await bench.start(['sleep', '1000'], {
      mounts: [
        { containerPath: '/in', hostPath, readonly: true },
        { containerPath: '/out', hostPath, readonly: false },
      ],
    });
    expect(await bench.output(id, 'cat', '/in/greeting.txt')).toBe('from the node\n');
    const written = await bench.output(id, 'sh', '-c', 'echo x > /out/new; echo y > /in/other || echo refused; ls /in');
    expect(written).toBe('refused\ngreeting.txt\nnew\n');
  });

  it('is removed while it runs, as often as asked', async () => {
    const id = await bench.start(['sleep', '1000']);
    await bench.patience(bench.runtime.removeContainer(context, id));
    await bench.patience(bench.runtime.removeContainer(context, id));
    await expect(bench.runtime.containerStatus(context, id)).rejects.toMatchObject({ code: 'NotFound' });
    await expect(bench.runtime.containerStatus(context, id)).rejects.toBeInstanceOf(CriError);
  });

  it('tells of every change as an event', async () => {
    const { context: listening, cancel } = context.withCancel();
    const seen: ContainerEvent[] = [];
    const events = bench.runtime.getContainerEvents(listening);
    const reading = (async () => {
      for await (const event of events) seen.push(event);
    })();
    const id = await bench.start(['sleep', '1000']);
    const typesOf = (): readonly string[] => seen.flatMap((event) => (event.containerId === id ? [event.type] : []));
    await bench.patience(bench.runtime.stopContainer(context, id, 0));
    for (let tries = 0; tries < 100 && typesOf().length < 3; tries++) await bench.under.pass(50);
    await bench.patience(bench.runtime.removeContainer(context, id));
    for (let tries = 0; tries < 100 && typesOf().length < 4; tries++) await bench.under.pass(50);
    cancel();
    await reading;
    expect(typesOf()).toEqual([
      'CONTAINER_CREATED_EVENT',
      'CONTAINER_STARTED_EVENT',
      'CONTAINER_STOPPED_EVENT',
      'CONTAINER_DELETED_EVENT',
    ]);
    expect(seen.find((event) => event.containerId === id)?.podSandboxMetadata.uid).toBe('uid-1');
  });

  it('tells what it uses', async () => {
    const id = await bench.start(['sh', '-c', 'i=0; while [ $i -lt 200 ]; do i=$((i+1)); done; sleep 1000']);
    await bench.under.pass(300);
    const stats = await bench.runtime.containerStats(context, id);
    expect(stats.id).toBe(id);
    expect(stats.memoryWorkingSetBytes).toBeGreaterThan(0);
    expect(stats.cpuUsageCoreNanoSeconds).toBeGreaterThan(0);
    const status = await bench.runtime.containerStatus(context, id);
    expect(stats.timestampMs).toBeGreaterThanOrEqual(status.startedAtMs ?? Infinity);
  });

  bench.itCan('limits', 'that takes more memory than its limit ends as OOMKilled', async () => {
    const id = await bench.start(['dd', 'if=/dev/zero', 'of=/dev/null', 'bs=128M', 'count=1'], {
      resources: { memoryLimitBytes: 16 * 1024 * 1024 },
    });
    expect(await bench.untilExited(id)).toMatchObject({ exitCode: 137, reason: 'OOMKilled' });
  });

  bench.itCan('limits', 'has the limits it was given, and others once they are changed', async () => {
    const id = await bench.start(['sleep', '1000'], {
      resources: { memoryLimitBytes: 64 * 1024 * 1024, cpuPeriod: 100_000, cpuQuota: 50_000, cpuShares: 512 },
    });
    const limit = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max';
    expect(await bench.output(id, 'sh', '-c', limit)).toBe(`${64 * 1024 * 1024}\n`);
    await bench.runtime.updateContainerResources(context, id, { memoryLimitBytes: 32 * 1024 * 1024 });
    expect(await bench.output(id, 'sh', '-c', limit)).toBe(`${32 * 1024 * 1024}\n`);
  });
}

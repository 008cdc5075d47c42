import { expect, it } from 'vitest';
import { context, image, type Bench } from './bench.ts';

export function imageTests(bench: Bench): void {
  it('is known by tag and id, and listed', async () => {
    const held = await bench.runtime.imageStatus(context, 'busybox:1.36');
    expect(held).toMatchObject({
      id: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      repoTags: expect.arrayContaining([image]),
    });
    expect(held?.sizeBytes).toBeGreaterThan(0);
    expect(await bench.runtime.imageStatus(context, held?.id ?? '')).toEqual(held);
    for (const digest of held?.repoDigests ?? []) {
      expect(await bench.runtime.imageStatus(context, digest)).toEqual(held);
    }
    expect(await bench.runtime.listImages(context)).toContainEqual(held);
  });

  it('is gone when removed, as often as asked', async () => {
    await bench.patience(bench.runtime.removeImage(context, image));
    await bench.patience(bench.runtime.removeImage(context, image));
    expect(await bench.runtime.imageStatus(context, image)).toBeUndefined();
    await expect(bench.create(['true'])).rejects.toMatchObject({ code: 'NotFound' });
  });

  it('has a name, or is refused', async () => {
    await expect(bench.patience(bench.runtime.pullImage(context, 'UPPER/Case'))).rejects.toMatchObject({
      code: 'InvalidArgument',
    });
    expect(await bench.runtime.imageStatus(context, 'no.such.host.invalid/nothing:1')).toBeUndefined();
  });

  it('lies on a file system', async () => {
    const { mountpoint, usedBytes } = await bench.runtime.imageFsInfo(context);
    expect(mountpoint).toMatch(/^\//);
    expect(usedBytes).toBeGreaterThanOrEqual(0);
  });

  it('comes from a runtime that says what it is and that it is ready', async () => {
    const { runtimeName, runtimeVersion } = await bench.runtime.version(context);
    expect(runtimeName).toMatch(/^\S+$/);
    expect(runtimeVersion).toMatch(/\d/);
    await bench.runtime.updateRuntimeConfig(context, { podCidr: '10.88.77.0/24' });
    expect(await bench.runtime.status(context)).toEqual({ runtimeReady: true, networkReady: true });
  });
}

import { describe, expect, it } from 'vitest';
import { addCommand, createCommand, overcommitted, sizeLimits } from './driver.view-model.ts';

const docker = { usable: true, cpus: 8, memoryBytes: 4 * 1024 ** 3 };

describe('drivers', () => {
  it('lets a node have what the Docker Engine has', () => {
    expect(sizeLimits(docker)).toEqual({ cpus: 8, minMemoryMib: 512, memoryMib: 4096 });
    expect(sizeLimits(undefined).cpus).toBeGreaterThan(1);
  });

  it('warns when the nodes together are promised more', () => {
    expect(overcommitted(2, 2048, docker)).toBeUndefined();
    expect(overcommitted(3, 2048, docker)).toContain('6144 Mi');
    expect(overcommitted(3, 2048, undefined)).toBeUndefined();
  });

  it('says the same as commands', () => {
    expect(createCommand('lab', 'embedded', { masters: 3, workers: 3 }, {})).toBe(
      'drydock up --name lab --masters 3 --workers 3',
    );
    expect(createCommand('lab', 'docker', { masters: 1, workers: 3 }, { cpus: 2, memoryBytes: 1024 ** 3 })).toBe(
      'drydock up --name lab --driver docker --workers 3 --cpus 2 --memory 1024Mi',
    );
    expect(createCommand('lab', 'embedded', { masters: 1, workers: 3 }, {}, { kind: 'local', members: 3 })).toBe(
      'drydock up --name lab --workers 3 --etcd local:3',
    );
    const etcd = { kind: 'external', endpoints: ['https://a:2379', 'https://b:2379'], ca: '/ca.crt' } as const;
    expect(createCommand('lab', 'embedded', { masters: 1, workers: 3 }, {}, etcd)).toBe(
      'drydock up --name lab --workers 3 --etcd-endpoints https://a:2379,https://b:2379 --etcd-ca /ca.crt',
    );
    expect(addCommand('lab', '', 'docker', {})).toBe('drydock node add --driver docker --name lab');
  });
});

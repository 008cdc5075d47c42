import { describe, expect, it } from 'vitest';
import type { Pod } from '#api/gen/types';
import { node, pod } from '#client/testing/fixtures';
import { podNeeds, refusePod } from './admission.ts';

function asking(name: string, cpu: string, memory = '0'): Pod {
  return pod(name, { spec: { containers: [{ name: 'main', resources: { requests: { cpu, memory } } }] } });
}

describe('refusePod', () => {
  it('takes what fits', () => {
    expect(refusePod(asking('a', '2'), [asking('b', '2')], node('n'))).toBeUndefined();
  });

  it('names the resource that is short, in the units of upstream', () => {
    expect(refusePod(asking('a', '2500m'), [asking('b', '2')], node('n'))).toEqual({
      reason: 'OutOfcpu',
      message: "Node didn't have enough resource: cpu, requested: 2500, used: 2000, capacity: 4000",
    });
    expect(refusePod(asking('a', '0', '9Gi'), [], node('n'))?.reason).toBe('OutOfmemory');
  });

  it('counts pods', () => {
    const others = Array.from({ length: 110 }, (_, index) => asking(`p${index}`, '0'));
    expect(refusePod(asking('a', '0'), others, node('n'))?.message).toBe(
      "Node didn't have enough resource: pods, requested: 1, used: 110, capacity: 110",
    );
  });

  it('checks the node selector', () => {
    const picky = pod('picky', { spec: { containers: [{ name: 'main' }], nodeSelector: { disk: 'ssd' } } });
    expect(refusePod(picky, [], node('n'))?.reason).toBe('NodeAffinity');
  });
});

describe('sysctls', () => {
  const asking = (name: string) =>
    pod('p', { spec: { containers: [], securityContext: { sysctls: [{ name, value: '1' }] } } });

  it('lets a pod change what is its own, and nothing of the node', () => {
    expect(refusePod(asking('net.ipv4.tcp_syncookies'), [], node('n'))).toBeUndefined();
    expect(refusePod(asking('kernel.msgmax'), [], node('n'))).toEqual({
      reason: 'SysctlForbidden',
      message: 'forbidden sysctl: "kernel.msgmax" not allowlisted',
    });
  });
});

describe('podNeeds', () => {
  it('takes the larger of init and main, sidecars on top of main', () => {
    const request = (cpu: string): { requests: { cpu: string } } => ({ requests: { cpu } });
    const both = pod('both', {
      spec: {
        initContainers: [
          { name: 'big', resources: request('3') },
          { name: 'side', restartPolicy: 'Always', resources: request('500m') },
        ],
        containers: [{ name: 'main', resources: request('1') }],
      },
    });
    expect(podNeeds(both).cpuMilli).toBe(3000);
  });
});

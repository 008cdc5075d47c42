import { describe, expect, it } from 'vitest';
import type { Deployment, Job, Service } from '#api/gen/types';
import { parseObjects } from '../../state/workload-actions.ts';
import { serviceRows, workloadRows, type Workloads } from './workloads.view-model.ts';

const none: Workloads = {
  deployments: [],
  statefulSets: [],
  daemonSets: [],
  jobs: [],
  cronJobs: [],
  services: [],
  pods: [],
  isGone: () => false,
};
const metadata = { name: 'web', namespace: 'default', uid: 'u' };
const template = { spec: { containers: [{ name: 'c', image: 'nginx:1.29' }] } };

function deployment(replicas: number, readyReplicas?: number): Deployment {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: { replicas, selector: {}, template },
    status: readyReplicas === undefined ? {} : { readyReplicas },
  };
}

describe('workloads', () => {
  it('say how many are ready, and whether that is a worry', () => {
    const look = (one: Deployment) => workloadRows({ ...none, deployments: [one] }, '')[0];
    expect(look(deployment(3, 3))).toMatchObject({
      tone: 'ok',
      status: '3 of 3 ready',
      what: 'nginx:1.29',
      replicas: 3,
    });
    expect(look(deployment(3, 1))).toMatchObject({ tone: 'warn' });
    expect(look(deployment(3))).toMatchObject({ tone: 'bad', status: '0 of 3 ready' });
    expect(look(deployment(0))).toMatchObject({ tone: 'idle' });
  });

  it('tell jobs and services in their own words', () => {
    const job = {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: { template },
      status: { conditions: [{ type: 'Complete', status: 'True' }], succeeded: 1 },
    } satisfies Job;
    const service = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: { clusterIP: '10.96.0.7', ports: [{ port: 80, nodePort: 30080 }], type: 'NodePort' },
    } satisfies Service;
    expect(
      workloadRows({ ...none, jobs: [job], services: [service] }, '').map((row) => [row.status, row.what]),
    ).toEqual([
      ['complete', 'nginx:1.29'],
      ['NodePort', '10.96.0.7 80:30080/TCP'],
    ]);
    expect(workloadRows({ ...none, jobs: [job], services: [service] }, 'service web')).toHaveLength(1);
  });
});

describe('serviceRows', () => {
  const service = (name: string, spec: Service['spec'], status?: Service['status']): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'default', uid: name },
    ...{ spec, ...(status ? { status } : {}) },
  });

  it('says where a Service answers, and what of it on this machine', () => {
    const port = { port: 80, nodePort: 30080 };
    const ingress = { loadBalancer: { ingress: [{ ip: '172.31.255.10' }] } };
    const rows = serviceRows(
      [
        service('inside', { clusterIP: '10.96.0.7', ports: [{ port: 80 }] }),
        service('node', { type: 'NodePort', clusterIP: '10.96.0.8', ports: [port] }),
        service('shop', { type: 'LoadBalancer', clusterIP: '10.96.0.9', ports: [port] }, ingress),
        service('soon', { type: 'LoadBalancer', clusterIP: '10.96.0.10', ports: [{ port: 80 }] }),
        service('legacy', { type: 'ExternalName', externalName: 'mail.example.com' }),
      ],
      '',
    );
    expect(rows.map((row) => [row.type, row.external, row.ports, row.here])).toEqual([
      ['ClusterIP', '', ['80/TCP'], []],
      ['NodePort', '', ['80:30080/TCP'], ['127.0.0.1:30080']],
      ['LoadBalancer', '172.31.255.10', ['80:30080/TCP'], ['127.0.0.1:30080']],
      ['LoadBalancer', 'pending', ['80/TCP'], []],
      ['ExternalName', 'mail.example.com', [], []],
    ]);
    expect(serviceRows([service('a', {}), service('b', {})], 'default/b').map((row) => row.target.name)).toEqual(['b']);
  });
});

describe('parseObjects', () => {
  it('reads documents, and says which is wrong', () => {
    const text =
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n';
    expect(parseObjects(text).map((one) => one.metadata.name)).toEqual(['a', 'b']);
    expect(() => parseObjects('kind: Pod')).toThrow('document 1 needs apiVersion, kind and metadata.name');
    expect(() => parseObjects('a: b: c')).toThrow();
    expect(() => parseObjects('')).toThrow('no object');
  });
});

import { describe, expect, it } from 'vitest';
import type { Service } from '#api/gen/types';
import { expandReferences, serviceEnvironment } from './environment.ts';

describe('expandReferences', () => {
  const known = new Map([['A', 'one']]);

  it.each([
    ['$(A)-$(A)', 'one-one'],
    ['$(B)', '$(B)'],
    ['$$(A)', '$(A)'],
    ['$A ${A} $', '$A ${A} $'],
  ])('%s gives %s', (text, expected) => {
    expect(expandReferences(text, known)).toBe(expected);
  });
});

describe('serviceEnvironment', () => {
  const service = (clusterIP: string): Service => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'my-db', namespace: 'default' },
    spec: {
      clusterIP,
      ports: [
        { name: 'sql', port: 5432 },
        { name: 'admin', port: 80, protocol: 'UDP' },
      ],
    },
  });

  it('announces host, ports and links in the form of Docker links', () => {
    expect(Object.fromEntries(serviceEnvironment([service('10.96.0.7')]))).toEqual({
      MY_DB_SERVICE_HOST: '10.96.0.7',
      MY_DB_SERVICE_PORT: '5432',
      MY_DB_SERVICE_PORT_SQL: '5432',
      MY_DB_SERVICE_PORT_ADMIN: '80',
      MY_DB_PORT: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
      MY_DB_PORT_5432_TCP_PROTO: 'tcp',
      MY_DB_PORT_5432_TCP_PORT: '5432',
      MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
      MY_DB_PORT_80_UDP: 'udp://10.96.0.7:80',
      MY_DB_PORT_80_UDP_PROTO: 'udp',
      MY_DB_PORT_80_UDP_PORT: '80',
      MY_DB_PORT_80_UDP_ADDR: '10.96.0.7',
    });
  });

  it('passes headless services over', () => {
    expect(serviceEnvironment([service('None')]).size).toBe(0);
  });
});

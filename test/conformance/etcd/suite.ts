import { afterEach, beforeEach, describe } from 'vitest';
import type { EtcdClient } from '#etcd/client';
import type { EtcdTarget, Lab } from './harness.ts';
import { leaseContract } from './lease-contract.ts';
import { maintenanceContract } from './maintenance-contract.ts';
import { rangeContract } from './range-contract.ts';
import { txnContract } from './txn-contract.ts';
import { watchContract } from './watch-contract.ts';

/**
 * The contract of the store, the same for the embedded one, its gRPC port and real etcd: what stands here is what etcd
 * does, and every test of it is run against Debian's.
 */
export function etcdConformance(name: string, target: EtcdTarget): void {
  describe(`etcd contract: ${name}`, () => {
    let client: EtcdClient | undefined;
    const lab: Lab = {
      target,
      get client() {
        if (!client) throw new Error('the store is not started yet');
        return client;
      },
      set client(next: EtcdClient) {
        client = next;
      },
    };
    beforeEach(async () => {
      client = await target.start();
    });
    afterEach(() => target.stop());

    rangeContract(lab);
    txnContract(lab);
    watchContract(lab);
    leaseContract(lab);
    maintenanceContract(lab);
  });
}

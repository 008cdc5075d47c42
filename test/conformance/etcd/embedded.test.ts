import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SteppedClock } from '#base/clock';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import type { EtcdMaintenance } from '#etcd/maintenance';
import type { EtcdTarget } from './harness.ts';
import { etcdConformance } from './suite.ts';

class EmbeddedTarget implements EtcdTarget {
  readonly release = '3.6';
  readonly #clock = new SteppedClock();
  #path = '';
  #etcd: EmbeddedEtcd | undefined;

  get maintenance(): EtcdMaintenance {
    if (!this.#etcd) throw new Error('the store is not started yet');
    return this.#etcd.maintenance;
  }

  start(): Promise<EmbeddedEtcd> {
    this.#path = mkdtempSync(join(tmpdir(), 'drydock-etcd-'));
    return this.#open();
  }

  async restart(how: 'orderly' | 'crash'): Promise<EmbeddedEtcd> {
    if (how === 'crash') this.#etcd?.crash();
    else await this.#etcd?.close();
    return this.#open();
  }

  pass(seconds: number): Promise<void> {
    return this.#clock.step(seconds * 1000);
  }

  async stop(): Promise<void> {
    await this.#etcd?.close();
    rmSync(this.#path, { recursive: true, force: true });
  }

  async #open(): Promise<EmbeddedEtcd> {
    const etcd = await EmbeddedEtcd.open({
      path: this.#path,
      clock: this.#clock,
      logger: silentLogger,
      retention: 'none',
    });
    this.#etcd = etcd;
    return etcd;
  }
}

etcdConformance('embedded', new EmbeddedTarget());

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { DockerDriver } from '#machines/docker/driver';
import { machinePaths, type MachineFile } from '#machines/machine';
import type { AgentConfig } from '#node-agent/agent-config';
import { root, type Program } from './programs.ts';

/** A Docker Engine that answers. */
export function dockerProgram(): Program {
  try {
    const version = execFileSync('docker', ['version', '--format', '{{.Server.Version}}'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return { path: `docker ${version.trim()}` };
  } catch {
    return { missing: 'no Docker Engine answers (../shared/tools/docker-engine starts one)' };
  }
}

/** The second bundle; made now when nobody built it. */
export function agentBundle(): string {
  const bundle = join(root, 'out/agent/node-agent.cjs');
  if (!existsSync(bundle)) {
    execFileSync(process.execPath, [join(root, 'resources/build/bundle-agent.mjs')], { stdio: 'inherit' });
  }
  return bundle;
}

export interface TestDriver {
  readonly home: string;
  readonly driver: DockerDriver;
  /** Removes everything that carries the home's labels. */
  dispose(): Promise<void>;
}

/** A driver with a home of its own. `endpoint` is another way to the engine than the usual one. */
export function testDockerDriver(endpoint?: string): TestDriver {
  const home = mkdtempSync(join(tmpdir(), 'drydock-docker-'));
  const driver = new DockerDriver({
    home,
    clock: new RealClock(),
    logger: silentLogger,
    agentBundle: agentBundle(),
    ...(endpoint !== undefined && { endpoint }),
  });
  return {
    home,
    driver,
    dispose: async () => {
      await driver.sweep(Context.background(), []);
      driver.close();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** Enough configuration for a supervisor; its node belongs to no cluster. */
export function agentFiles(overrides: Partial<AgentConfig> & Pick<AgentConfig, 'nodeName' | 'driver'>): MachineFile[] {
  const config: AgentConfig = {
    formatVersion: 1,
    caCertificate: '',
    bootstrapToken: '',
    kubeProxy: { certificate: '', key: '' },
    network: { certificate: '', key: '' },
    apiUpstreams: [],
    apiAddress: { ip: '172.30.0.2', port: 6443 },
    clusterCidr: '10.244.0.0/16',
    serviceCidr: '10.96.0.0/16',
    clusterDNS: [],
    clusterDomain: 'cluster.local',
    criEndpoint: `unix://${machinePaths.criSocket}`,
    networkId: 'test',
    ownsContainerd: true,
    labels: {},
    kubernetesVersion: 'v1.36.0',
    ...overrides,
  };
  return [{ path: machinePaths.agentConfig, mode: 0o600, content: Buffer.from(JSON.stringify(config)) }];
}

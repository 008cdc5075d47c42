import { execFileSync, spawn } from 'node:child_process';
import { connect, createServer, type Server } from 'node:net';
import { HttpsKubeletConnection } from '#apiserver/kubelet-client/https-kubelet-connection';
import { RealClock } from '#base/clock';
import { Context } from '#base/context';
import { present } from '#base/errors';
import { issueCertificate, type KeyPair } from '#cluster/certificates';
import type { ControllerManager } from '#controller-manager/controller-manager';
import type { DockerMachine } from '#machines/docker/machine';
import { createBootstrapToken, startControllers } from './cluster-controllers.ts';
import { agentFiles, testDockerDriver, type TestDriver } from './docker.ts';
import { RunningApiServer } from './kube-apiserver.ts';
import { kubectlProgram } from './programs.ts';
import { run, type Output } from './lab.ts';

const apiAddress = '172.30.0.2';

/** One Docker node that runs the agent, against an API server with its controllers in this process. */
export class DockerNode {
  readonly api: RunningApiServer;
  readonly machine: DockerMachine;
  readonly #driver: TestDriver;
  readonly #controllers: ControllerManager;
  readonly #relay: Server;

  private constructor(
    api: RunningApiServer,
    machine: DockerMachine,
    driver: TestDriver,
    controllers: ControllerManager,
    relay: Server,
  ) {
    this.api = api;
    this.machine = machine;
    this.#driver = driver;
    this.#controllers = controllers;
    this.#relay = relay;
  }

  static async start(): Promise<DockerNode> {
    for (const range of ['10.244.0.0/16', '10.96.0.0/16']) execFileSync('ip', ['route', 'replace', 'blackhole', range]);
    const context = Context.background();
    const driver = testDockerDriver();
    const lab = driver.driver.lab('kubelet');
    const machine = lab.machine('worker-1', { cpus: 2, memoryBytes: 2 * 1024 ** 3 }, 2);
    const own: { kubelet?: KeyPair } = {};
    const api: RunningApiServer = await RunningApiServer.start(0, {
      ips: [apiAddress],
      kubelets: async () => {
        const { certificate: cert, key } = present(own.kubelet, 'the certificate is made');
        const ca = api.ca.certificate;
        const dial = (call: Context) => machine.dial(call, { ip: '127.0.0.1', port: 10250 });
        return new HttpsKubeletConnection({ dial, ca, cert, key, serverName: 'worker-1', clock: new RealClock() });
      },
    });
    const client = (commonName: string): Promise<KeyPair> =>
      issueCertificate(api.ca, { usage: 'client', commonName, groups: ['system:masters'] }, new RealClock().now());
    own.kubelet = await client('kube-apiserver-kubelet-client');
    const controllers = await startControllers(api, /./);
    const { gateway } = await lab.network.ensure(context);
    const relay = await relayTo(gateway, api.server.port);
    const files = agentFiles({
      ...{ nodeName: 'worker-1', driver: 'docker', caCertificate: api.ca.certificate },
      bootstrapToken: await createBootstrapToken(api),
      ...{ kubeProxy: await client('system:kube-proxy'), network: await client('system:drydock-network') },
      apiUpstreams: [{ ip: gateway, port: (relay.address() as { readonly port: number }).port }],
      ...{ clusterDNS: ['10.96.0.10'], networkId: lab.network.networkId },
      ...{ cpus: 2, memoryBytes: 2 * 1024 ** 3 },
    });
    await machine.prepare(context, () => {});
    await machine.start(context, files, () => {});
    return new DockerNode(api, machine, driver, controllers, relay);
  }

  /** Runs a command on the node; resolves with its output. */
  exec(...command: readonly string[]): Promise<Output> {
    return run('docker', ['exec', this.machine.containerName, ...command]);
  }

  kubectl(args: readonly string[], input?: string): Promise<Output> {
    const env = { ...process.env, KUBECONFIG: this.api.kubeconfig };
    return run(kubectlProgram.path ?? '', args, { env, ...(input === undefined ? {} : { input }) });
  }

  /** `kubectl port-forward` on a free port, until closed. */
  portForward(pod: string, port: number): Promise<{ readonly port: number; readonly close: () => void }> {
    const env = { ...process.env, KUBECONFIG: this.api.kubeconfig };
    const child = spawn(kubectlProgram.path ?? '', ['port-forward', `pod/${pod}`, `:${port}`], { env, stdio: 'pipe' });
    return new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error('kubectl port-forward ended')));
      child.stdout.on('data', (text: Buffer) => {
        const local = /127\.0\.0\.1:(\d+) ->/.exec(text.toString())?.[1];
        if (local) resolve({ port: Number(local), close: () => child.kill() });
      });
    });
  }

  async close(): Promise<void> {
    this.machine.close();
    await this.#driver.driver.lab('kubelet').remove(Context.background());
    await this.#driver.dispose();
    await this.#controllers.stop();
    this.#relay.close();
    await this.api.close();
  }
}

/** Carries connections to a port of `host` on to a port of this computer's loopback, where the API server listens. */
function relayTo(host: string, port: number): Promise<Server> {
  const server = createServer((socket) => {
    const upstream = connect(port, '127.0.0.1');
    socket.pipe(upstream).pipe(socket);
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const)
      one.on('error', () => other.destroy()).on('close', () => other.destroy());
  });
  return new Promise((resolve) => server.listen(0, host, () => resolve(server)));
}

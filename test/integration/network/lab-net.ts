import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { promisify } from 'node:util';
import { ProgramKernel } from '#network/kernel';

const execute = promisify(execFile);

/**
 * Nodes and links made of network namespaces of this machine: nothing leaves them. A link is a namespace with a bridge; a node
 * is a namespace with an interface on a link; a pod is a namespace on the node's `cni0`. The namespace of a router joins links.
 */
export class LabNet {
  readonly #tag: string;
  readonly #namespaces: string[] = [];
  readonly #children: ChildProcess[] = [];
  #interfaces = 0;

  constructor(tag: string) {
    this.#tag = `${tag}${process.pid % 10_000}`;
  }

  /** The full name of a namespace of this net. */
  name(short: string): string {
    return `${this.#tag}-${short}`;
  }

  kernel(short: string): ProgramKernel {
    return new ProgramKernel(['ip', 'netns', 'exec', this.name(short)]);
  }

  addNamespace(short: string): void {
    ip('netns', 'add', this.name(short));
    this.#namespaces.push(this.name(short));
    this.run(short, 'ip', 'link', 'set', 'lo', 'up');
  }

  addLink(short: string): void {
    this.addNamespace(short);
    this.run(short, 'sh', '-c', 'echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables');
    this.run(short, 'ip', 'link', 'add', 'br0', 'type', 'bridge');
    this.run(short, 'ip', 'link', 'set', 'br0', 'up');
  }

  /** An interface of `short` on `link` with `address` (`10.1.0.2/24`); its name is the link's. */
  attach(short: string, link: string, address: string): void {
    this.#pair(short, link, link, 'br0');
    this.run(short, 'ip', 'addr', 'add', address, 'dev', link);
  }

  /** A pod on the bridge of `node`, as the bridge plugin makes one, with a default route to the bridge. */
  addPod(node: string, short: string, ip: string, gateway: string, mtu = 1450): void {
    this.addNamespace(short);
    const links = JSON.parse(this.run(node, 'ip', '-json', 'link', 'show')) as { ifname: string }[];
    if (!links.some((one) => one.ifname === 'cni0')) {
      this.run(node, 'ip', 'link', 'add', 'cni0', 'type', 'bridge');
      this.run(node, 'ip', 'addr', 'add', `${gateway}/24`, 'dev', 'cni0');
      this.run(node, 'ip', 'link', 'set', 'cni0', 'mtu', String(mtu), 'up');
    }
    const host = this.#pair(short, node, 'eth0', 'cni0', mtu);
    this.run(node, 'bridge', 'link', 'set', 'dev', host, 'hairpin', 'on');
    this.run(short, 'ip', 'addr', 'add', `${ip}/24`, 'dev', 'eth0');
    this.run(short, 'ip', 'route', 'add', 'default', 'via', gateway);
  }

  #pair(short: string, other: string, device: string, bridge: string, mtu = 1500): string {
    const peer = `v${this.#interfaces++}`;
    const names = ['link', 'add', device, 'mtu', String(mtu), 'netns', this.name(short), 'type', 'veth'];
    ip(...names, 'peer', 'name', peer, 'mtu', String(mtu), 'netns', this.name(other));
    this.run(other, 'ip', 'link', 'set', peer, 'master', bridge, 'up');
    this.run(short, 'ip', 'link', 'set', device, 'up');
    return peer;
  }

  /** Runs a program in a namespace; throws with what it said. */
  run(short: string, ...command: string[]): string {
    return execFileSync('ip', ['netns', 'exec', this.name(short), ...command], { encoding: 'utf8', stdio: 'pipe' });
  }

  /** Whether the program ended with 0. Does not hold up the event loop, on which agents of the test may run. */
  async try(short: string, ...command: string[]): Promise<boolean> {
    return (await this.#outcome(short, command)) !== undefined;
  }

  pings(from: string, ip: string, ...options: string[]): Promise<boolean> {
    return this.try(from, 'ping', '-n', '-q', '-c', '1', '-W', '1', ...options, ip);
  }

  /** Standard output; undefined when the program ended with another code than 0. */
  async #outcome(short: string, command: readonly string[]): Promise<string | undefined> {
    try {
      const { stdout } = await execute('ip', ['netns', 'exec', this.name(short), ...command]);
      return stdout;
    } catch (error) {
      if (typeof (error as { code?: unknown }).code !== 'number') throw error;
      return undefined;
    }
  }

  /** A server that answers each TCP connection, or each UDP datagram, on `port` with `text` and who asked. */
  serve(short: string, port: number, text: string, protocol: 'tcp' | 'udp' = 'tcp'): Promise<void> {
    const tcp = `require('net').createServer((s)=>{s.on('error',()=>s.destroy());s.write('${text} '+s.remoteAddress+'\\n');s.on('data',(d)=>s.write(d))}).listen(${port},'0.0.0.0',()=>console.log('up'))`;
    const udp = `const d=require('dgram').createSocket('udp4');d.on('message',(m,r)=>d.send('${text} '+r.address,r.port,r.address));d.bind(${port},()=>console.log('up'))`;
    const child = this.spawn(short, process.execPath, '-e', protocol === 'tcp' ? tcp : udp);
    return new Promise((resolve, reject) => {
      child.stdout?.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the server of ${short} ended with ${String(code)}`)));
    });
  }

  spawn(short: string, ...command: string[]): ChildProcess {
    const child = spawn('ip', ['netns', 'exec', this.name(short), ...command], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#children.push(child);
    return child;
  }

  /** What a server made by {@link serve} answers; undefined when there is no answer within a second. */
  async ask(from: string, ip: string, port: number, protocol: 'tcp' | 'udp' = 'tcp'): Promise<string | undefined> {
    const tcp = `const s=require('net').connect(${port},'${ip}');s.setTimeout(1000,()=>process.exit(1));s.on('error',()=>process.exit(1));s.once('data',(d)=>{process.stdout.write(d);process.exit(0)})`;
    const udp = `const d=require('dgram').createSocket('udp4');setTimeout(()=>process.exit(1),1000);d.once('message',(m)=>{process.stdout.write(m);process.exit(0)});d.send('?',${port},'${ip}')`;
    const program = [process.execPath, '-e', protocol === 'tcp' ? tcp : udp];
    return (await this.#outcome(from, program))?.trim();
  }

  dispose(): void {
    for (const child of this.#children) child.kill('SIGKILL');
    for (const namespace of this.#namespaces) ip('netns', 'del', namespace);
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: 'pipe' });
}

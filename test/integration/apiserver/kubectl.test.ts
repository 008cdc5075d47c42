import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { kubectlProgram, skipWithout } from '../../harness/programs.ts';
import { RunningApiServer } from '../../harness/kube-apiserver.ts';

/** kubectl 1.35 against kube-apiserver alone: no controllers, no nodes, and a kubelet that is made up. */

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

let api: RunningApiServer;
const children: ChildProcess[] = [];

function kubectl(args: readonly string[], input?: string, extra: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    const env = { ...process.env, KUBECONFIG: api.kubeconfig, ...extra };
    const child = execFile(kubectlProgram.path ?? '', args, { env, timeout: 20_000 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, stdout, stderr });
    });
    child.stdin?.end(input);
  });
}

/** Starts kubectl and gathers what it prints until `stop`. */
function background(...args: readonly string[]): { readonly output: () => string; readonly stop: () => Promise<void> } {
  const child = spawn(kubectlProgram.path ?? '', args, { env: { ...process.env, KUBECONFIG: api.kubeconfig } });
  children.push(child);
  let output = '';
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    output: () => output,
    stop: () => {
      child.kill('SIGINT');
      return ended;
    },
  };
}

const podManifest = {
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels: { app: 'web' } } },
  spec: { nodeName: 'w1', containers: [{ name: 'nginx', image: 'nginx' }] },
};

describe.skipIf(skipWithout(kubectlProgram))('kubectl', () => {
  beforeAll(async () => {
    api = await RunningApiServer.start();
    await kubectl(['create', 'serviceaccount', 'default']);
    const manifest = join(api.folder, 'pod.json');
    writeFileSync(manifest, JSON.stringify(podManifest));
    expect(await kubectl(['apply', '-f', manifest])).toMatchObject({ code: 0, stdout: 'pod/web created\n' });
    const status = { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] };
    await kubectl(['patch', 'pod', 'web', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })]);
  });
  afterAll(() => api.close());
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
  });

  test('knows the server', async () => {
    expect((await kubectl(['version'])).stdout).toContain('Server Version: v1.36.0+drydock');
    expect((await kubectl(['get', '--raw', '/healthz'])).stdout).toBe('ok');
    expect((await kubectl(['get', '--raw', '/readyz?verbose'])).stdout).toContain('[+]etcd ok\n');
    expect((await kubectl(['get', '--raw', '/metrics'])).stdout).toMatch(
      /apiserver_request_total\{code="201",group="",.*resource="pods".*verb="(POST|PATCH)"/,
    );
    const resources = (await kubectl(['api-resources'])).stdout;
    expect(resources).toMatch(/^pods +po +v1 +true +Pod$/m);
    expect(resources).toMatch(/^deployments +deploy +apps\/v1 +true +Deployment$/m);
    expect((await kubectl(['explain', 'pod.spec.containers'])).stdout).toContain('FIELD: containers <[]Container>');
  });

  test('prints tables', async () => {
    expect((await kubectl(['get', 'pods'])).stdout).toMatch(
      /^NAME +READY +STATUS +RESTARTS +AGE\nweb +0\/1 +Running +0 +\d+s\n$/,
    );
    expect((await kubectl(['get', 'pod', 'web', '-o', 'jsonpath={.spec.nodeName}'])).stdout).toBe('w1');
    expect((await kubectl(['get', 'pod', 'nope'])).stderr).toBe(
      'Error from server (NotFound): pods "nope" not found\n',
    );
    expect((await kubectl(['describe', 'pod', 'web'])).stdout).toMatch(/^Name: +web\nNamespace: +default\n/);
  });

  test('get -w prints changes as they come', async () => {
    const watch = background('get', 'configmaps', '-w', '--no-headers');
    await kubectl(['create', 'configmap', 'seen', '--from-literal=k=v']);
    await expect.poll(watch.output, { timeout: 10_000 }).toMatch(/^seen +1 +\d+s$/m);
    await watch.stop();
  });

  test('says who one is and what one may', async () => {
    expect((await kubectl(['auth', 'whoami'])).stdout).toMatch(
      /^Username +kubernetes-admin\nGroups +\[system:masters system:authenticated\]$/m,
    );
    expect((await kubectl(['auth', 'can-i', 'delete', 'nodes'])).stdout).toBe('yes\n');
    expect(await kubectl(['auth', 'can-i', 'get', 'pods', '--as', 'bob'])).toMatchObject({ code: 1, stdout: 'no\n' });
    expect((await kubectl(['get', 'pods', '--as', 'bob'])).stderr).toBe(
      'Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "default"\n',
    );
    await kubectl(['create', 'rolebinding', 'bob', '--clusterrole=view', '--user=bob']);
    await expect
      .poll(async () => (await kubectl(['auth', 'can-i', 'get', 'pods', '--as', 'bob'])).stdout)
      .toBe('yes\n');
    expect((await kubectl(['auth', 'can-i', '--list', '--as', 'bob'])).stdout).toMatch(
      /^pods\/log +\[\] +\[\] +\[get list watch\]$/m,
    );
  });

  test('a service account token works as a bearer token', async () => {
    const token = (await kubectl(['create', 'token', 'default'])).stdout.trim();
    const args = [
      '--kubeconfig',
      '/dev/null',
      '--server',
      `https://127.0.0.1:${api.server.port}`,
      '--insecure-skip-tls-verify',
      '--token',
      token,
    ];
    const whoami = await kubectl([...args, 'auth', 'whoami']);
    expect(whoami.stdout).toContain('system:serviceaccount:default:default');
    const refused = await kubectl([...args.slice(0, -1), `${token}x`, 'get', 'pods']);
    expect(refused.stderr).toBe('error: You must be logged in to the server (Unauthorized)\n');
  });

  test('logs', async () => {
    expect((await kubectl(['logs', 'web'])).stdout).toBe('one\ntwo\nthree\n');
    expect((await kubectl(['logs', 'web', '--tail=1', '-f'])).stdout).toBe('three\n');
    expect((await kubectl(['logs', 'web', '-c', 'nope'])).stderr).toBe(
      'error: container nope is not valid for pod web\n',
    );
  });

  test('exec carries output, input and the exit code', async () => {
    expect(await kubectl(['exec', 'web', '--', 'ls', '0'])).toEqual({
      code: 0,
      stdout: 'ran ls 0\n',
      stderr: 'to stderr\n',
    });
    expect(await kubectl(['exec', 'web', '--', 'false', '3'])).toMatchObject({
      code: 3,
      stderr: 'to stderr\ncommand terminated with exit code 3\n',
    });
    expect((await kubectl(['exec', '-i', 'web', '--', 'cat'], 'hello')).stdout).toBe('ran cat\ngot hello');
    expect((await kubectl(['exec', 'web', '-c', 'nope', '--', 'ls'])).stderr).toBe(
      'Error from server (BadRequest): container nope is not valid for pod web\n',
    );
    expect((await kubectl(['attach', 'web', '-q'])).stdout).toContain('ran ');
  });

  test('exec over bare SPDY, as older clients have it', async () => {
    const old = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false' };
    const failing = await kubectl(['exec', 'web', '--', 'false', '3'], '', old);
    expect(failing).toMatchObject({ code: 3, stdout: 'ran false 3\n' });
    expect((await kubectl(['exec', '-i', 'web', '--', 'cat'], 'hello', old)).stdout).toBe('ran cat\ngot hello');
  });

  test('port-forward carries several connections at once, and says what fails', async () => {
    const forward = background('port-forward', 'pod/web', ':80', ':81');
    await expect.poll(forward.output, { timeout: 10_000 }).toMatch(/-> 80\n(.*\n)*.*-> 81\n/);
    const [good = 0, bad = 0] = ['80', '81'].map((port) =>
      Number(new RegExp(`127.0.0.1:(\\d+) -> ${port}`).exec(forward.output())?.[1]),
    );
    const big = 'x'.repeat(200_000);
    const answers = await Promise.all([talk(good, 'hello'), talk(good, 'world'), talk(good, big)]);
    expect(answers).toEqual(['HELLO', 'WORLD', big.toUpperCase()]);
    expect(await talk(bad, 'hello')).toBe('');
    await expect
      .poll(forward.output)
      .toContain('error forwarding port 81 to pod web, uid : dial tcp4 127.0.0.1:81: connect: connection refused');
    await forward.stop();
  });
});

/** Sends `words`, and answers what came back once it is as long. */
function talk(port: number, words: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(words));
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
      if (answer.length >= words.length) socket.end();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => resolve(answer));
  });
}

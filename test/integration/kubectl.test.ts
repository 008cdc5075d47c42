import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { get } from 'node:http';
import { kubectlProgram, skipWithout } from '../harness/programs.ts';
import { TestLab, untilOutput } from '../harness/lab.ts';

/** Real kubectl 1.35 against a lab that `drydock up` made. One lab for all: each part works in a namespace of its own. */
describe.skipIf(skipWithout(kubectlProgram))('kubectl', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up();
  });
  afterAll(async () => {
    await lab.destroy();
  });

  /** A namespace for one test; resolves with the flags that select it. */
  async function namespace(name: string): Promise<string[]> {
    await lab.ok(['create', 'namespace', name]);
    return ['-n', name];
  }

  const webManifest = (image: string, replicas: number): string => `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: nginx
        image: ${image}
        ports: [{containerPort: 80}]
        resources: {requests: {cpu: 50m, memory: 32Mi}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 80}]
`;

  describe('get', () => {
    it('lists nodes', async () => {
      const lines = (await lab.ok(['get', 'nodes'])).trimEnd().split('\n');
      expect(lines[0]).toMatch(/^NAME\s+STATUS\s+ROLES\s+AGE\s+VERSION$/);
      expect(lines).toHaveLength(4);
      for (const line of lines.slice(1)) expect(line).toMatch(/^worker-[123]\s+Ready\s+<none>\s+\d+s\s+v1\.36\.\d+/);
    });

    it('lists nodes wide', async () => {
      const text = await lab.ok(['get', 'nodes', '-o', 'wide']);
      expect(text).toMatch(/INTERNAL-IP\s+EXTERNAL-IP\s+OS-IMAGE\s+KERNEL-VERSION\s+CONTAINER-RUNTIME/);
      expect(text).toMatch(/172\.30\.\d+\.\d+\s+<none>\s+/);
      expect(text).toContain('simulator://');
    });

    it('prints yaml, json, jsonpath, names and custom columns', async () => {
      expect(await lab.ok(['get', 'namespace', 'default', '-o', 'yaml'])).toMatch(
        /^apiVersion: v1\nkind: Namespace\nmetadata:\n/,
      );
      const node = JSON.parse(await lab.ok(['get', 'node', 'worker-1', '-o', 'json'])) as {
        kind: string;
        spec: { podCIDR: string };
      };
      expect(node).toMatchObject({ kind: 'Node', spec: { podCIDR: expect.stringMatching(/^10\.244\.\d+\.0\/24$/) } });
      expect(await lab.ok(['get', 'nodes', '-o', 'jsonpath={.items[*].metadata.name}'])).toBe(
        'worker-1 worker-2 worker-3',
      );
      expect(await lab.ok(['get', 'ns', 'default', 'kube-system', '-o', 'name'])).toBe(
        'namespace/default\nnamespace/kube-system\n',
      );
      const columns = await lab.ok([
        'get',
        'nodes',
        '-o',
        'custom-columns=NODE:.metadata.name,OS:.status.nodeInfo.operatingSystem',
      ]);
      expect(columns).toMatch(/^NODE\s+OS\nworker-1\s+linux\n/);
    });

    it('watches', async () => {
      const ns = await namespace('watching');
      const watch = lab.start(['get', 'configmaps', '-w', ...ns]);
      await untilOutput(watch, /kube-root-ca\.crt/);
      const seen = untilOutput(watch, /^late\s+1\s+\d+s/m);
      await lab.ok(['create', 'configmap', 'late', '--from-literal=a=b', ...ns]);
      expect(await seen).toMatch(/late/);
      watch.kill();
    });

    it('selects by label and field and sorts', async () => {
      const ns = await namespace('selecting');
      for (const name of ['a', 'b', 'c']) {
        await lab.ok(['create', 'configmap', name, ...ns]);
        await lab.ok(['label', 'configmap', name, `tier=${name === 'a' ? 'front' : 'back'}`, ...ns]);
      }
      const names = ['-o', 'jsonpath={.items[*].metadata.name}', ...ns];
      expect(await lab.ok(['get', 'cm', '-l', 'tier=back', ...names])).toBe('b c');
      expect(await lab.ok(['get', 'cm', '-l', 'tier in (front,back),tier!=back', ...names])).toBe('a');
      expect(await lab.ok(['get', 'cm', '--field-selector', 'metadata.name=b', ...names])).toBe('b');
    });
  });

  describe('workloads', () => {
    it('runs a pod to its end and shows its log', async () => {
      const ns = await namespace('running');
      await lab.ok([
        'run',
        'hello',
        '--image=busybox',
        '--restart=Never',
        ...ns,
        '--',
        'sh',
        '-c',
        'for i in 1 2 3; do echo line $i; done; exit 0',
      ]);
      await lab.ok(['wait', '--for=jsonpath={.status.phase}=Succeeded', 'pod/hello', '--timeout=30s', ...ns]);
      expect(await lab.ok(['logs', 'hello', ...ns])).toBe('line 1\nline 2\nline 3\n');
      expect(await lab.ok(['get', 'pod', 'hello', ...ns])).toMatch(/hello\s+0\/1\s+Completed\s+0\s+/);
    });

    it('creates, exposes, scales, updates and rolls a deployment back', async () => {
      const ns = await namespace('rolling');
      await lab.ok(['create', 'deployment', 'web', '--image=nginx:1.27', '--replicas=3', ...ns]);
      expect(await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns])).toContain(
        'deployment "web" successfully rolled out',
      );
      expect(await lab.ok(['expose', 'deployment', 'web', '--port=80', ...ns])).toBe('service/web exposed\n');
      expect(await lab.ok(['get', 'service', 'web', ...ns])).toMatch(
        /web\s+ClusterIP\s+10\.96\.\d+\.\d+\s+<none>\s+80\/TCP/,
      );
      expect(await lab.ok(['scale', 'deployment/web', '--replicas=5', ...ns])).toBe('deployment.apps/web scaled\n');
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      expect(await lab.ok(['set', 'image', 'deployment/web', 'nginx=nginx:1.28', ...ns])).toBe(
        'deployment.apps/web image updated\n',
      );
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      expect(await lab.ok(['get', 'pods', '-o', 'jsonpath={.items[*].spec.containers[0].image}', ...ns])).toBe(
        Array(5).fill('nginx:1.28').join(' '),
      );
      expect(await lab.ok(['rollout', 'history', 'deployment/web', ...ns])).toMatch(
        /REVISION\s+CHANGE-CAUSE\n1\s+<none>\n2\s+<none>/,
      );
      expect(await lab.ok(['rollout', 'undo', 'deployment/web', ...ns])).toBe('deployment.apps/web rolled back\n');
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      expect(
        await lab.ok(['get', 'deployment', 'web', '-o', 'jsonpath={.spec.template.spec.containers[0].image}', ...ns]),
      ).toBe('nginx:1.27');
      expect(await lab.ok(['get', 'deployment', 'web', ...ns])).toMatch(/web\s+5\/5\s+5\s+5\s+/);
    });

    it('applies, diffs and deletes files', async () => {
      const ns = await namespace('applying');
      const apply = ['apply', '-f', '-', ...ns];
      expect(await lab.ok(apply, webManifest('nginx:1.27', 2))).toBe(
        'deployment.apps/web created\nservice/web created\n',
      );
      expect(await lab.ok(apply, webManifest('nginx:1.27', 2))).toBe(
        'deployment.apps/web unchanged\nservice/web unchanged\n',
      );
      const diff = await lab.kubectl(['diff', '-f', '-', ...ns], { input: webManifest('nginx:1.27', 4) });
      expect(diff.code).toBe(1);
      expect(diff.stdout).toMatch(/-\s+replicas: 2\n\+\s+replicas: 4/);
      expect(await lab.ok(apply, webManifest('nginx:1.27', 4))).toBe(
        'deployment.apps/web configured\nservice/web unchanged\n',
      );
      expect(
        await lab.ok(['apply', '--server-side', '--force-conflicts', '-f', '-', ...ns], webManifest('nginx:1.27', 3)),
      ).toContain('deployment.apps/web serverside-applied');
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      expect(await lab.ok(['delete', '-f', '-', ...ns], webManifest('nginx:1.27', 3))).toMatch(
        /deployment\.apps "web" deleted.*\nservice "web" deleted/,
      );
      await lab.ok(['wait', '--for=delete', 'pod', '-l', 'app=web', '--timeout=60s', ...ns]);
    });

    it('patches, labels and annotates', async () => {
      const ns = await namespace('patching');
      await lab.ok(['create', 'deployment', 'web', '--image=nginx', ...ns]);
      expect(
        await lab.ok([
          'patch',
          'deployment',
          'web',
          '-p',
          '{"spec":{"template":{"spec":{"containers":[{"name":"nginx","env":[{"name":"A","value":"1"}]}]}}}}',
          ...ns,
        ]),
      ).toBe('deployment.apps/web patched\n');
      expect(
        await lab.ok([
          'patch',
          'deployment',
          'web',
          '--type=json',
          '-p',
          '[{"op":"replace","path":"/spec/replicas","value":2}]',
          ...ns,
        ]),
      ).toBe('deployment.apps/web patched\n');
      expect(
        await lab.ok(['patch', 'deployment', 'web', '--type=merge', '-p', '{"metadata":{"labels":{"x":"y"}}}', ...ns]),
      ).toBe('deployment.apps/web patched\n');
      expect(
        await lab.ok([
          'get',
          'deployment',
          'web',
          '-o',
          'jsonpath={.spec.replicas} {.metadata.labels.x} {.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].name}',
          ...ns,
        ]),
      ).toBe('2 y nginx A');
      expect(await lab.ok(['label', 'deployment', 'web', 'x=z', '--overwrite', ...ns])).toBe(
        'deployment.apps/web labeled\n',
      );
      expect(await lab.ok(['annotate', 'deployment', 'web', 'note=hi', ...ns])).toBe('deployment.apps/web annotated\n');
      expect(await lab.ok(['label', 'deployment', 'web', 'x-', ...ns])).toBe('deployment.apps/web unlabeled\n');
    });
  });

  describe('pods from inside', () => {
    it('follows logs', async () => {
      const ns = await namespace('logging');
      await lab.ok([
        'run',
        'ticker',
        '--image=busybox',
        ...ns,
        '--',
        'sh',
        '-c',
        'i=0; while true; do i=$((i+1)); echo tick $i; sleep 0.2; done',
      ]);
      await lab.ok(['wait', '--for=condition=Ready', 'pod/ticker', '--timeout=30s', ...ns]);
      const logs = lab.start(['logs', '-f', 'ticker', ...ns]);
      expect(await untilOutput(logs, /tick 6\n/)).toMatch(/^tick 1\ntick 2\n/);
      logs.kill();
      expect((await lab.ok(['logs', 'ticker', '--tail=1', ...ns])).trim().split('\n')).toHaveLength(1);
    });

    it('executes commands, with exit codes and standard input', async () => {
      const ns = await namespace('executing');
      await lab.ok(['run', 'box', '--image=busybox', ...ns, '--', 'sleep', '3600']);
      await lab.ok(['wait', '--for=condition=Ready', 'pod/box', '--timeout=30s', ...ns]);
      expect(await lab.ok(['exec', 'box', ...ns, '--', 'hostname'])).toBe('box\n');
      expect(await lab.ok(['exec', 'box', ...ns, '--', 'sh', '-c', 'echo $((6*7)); echo $HOSTNAME'])).toBe('42\nbox\n');
      expect(await lab.ok(['exec', '-i', 'box', ...ns, '--', 'cat'], 'from outside\n')).toBe('from outside\n');
      const failed = await lab.kubectl(['exec', 'box', ...ns, '--', 'sh', '-c', 'exit 3']);
      expect(failed.code).toBe(3);
      expect(failed.stderr).toContain('command terminated with exit code 3');
      const missing = await lab.kubectl(['exec', 'box', ...ns, '--', 'nope']);
      expect(missing.stderr).toContain('executable file not found in $PATH');
    });

    it('forwards a port, resolves and balances a Service, and answers on a node port', async () => {
      const ns = await namespace('networking');
      await lab.ok(['apply', '-f', '-', ...ns], webManifest('nginx:1.27', 2));
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      const forward = lab.start(['port-forward', 'deployment/web', ':80', ...ns]);
      const port = /127\.0\.0\.1:(\d+) -> 80/.exec(await untilOutput(forward, /127\.0\.0\.1:\d+ -> 80/))?.[1];
      for (let i = 0; i < 3; i++) expect(await fetchText(Number(port))).toContain('Welcome to nginx!');
      forward.kill();
      await lab.ok(['run', 'client', '--image=busybox', ...ns, '--', 'sleep', '3600']);
      await lab.ok(['wait', '--for=condition=Ready', 'pod/client', '--timeout=30s', ...ns]);
      await lab.ok(['wait', '--for=condition=Available', 'deployment/coredns', '-n', 'kube-system', '--timeout=60s']);
      expect(await lab.ok(['exec', 'client', ...ns, '--', 'nslookup', 'web'])).toContain(
        'web.networking.svc.cluster.local',
      );
      for (let i = 0; i < 12; i++)
        expect(await lab.ok(['exec', 'client', ...ns, '--', 'wget', '-q', '-O', '-', 'http://web'])).toContain(
          'Welcome to nginx!',
        );
      const pods = (await lab.ok(['get', 'pods', '-l', 'app=web', '-o', 'name', ...ns])).trim().split('\n');
      for (const pod of pods) expect(await lab.ok(['logs', pod, ...ns])).toMatch(/"GET \/ HTTP\/1\.[01]" 200/);
      await lab.ok(['patch', 'service', 'web', '-p', '{"spec":{"type":"NodePort"}}', ...ns]);
      const nodePort = await lab.ok(['get', 'service', 'web', '-o', 'jsonpath={.spec.ports[0].nodePort}', ...ns]);
      await expect
        .poll(() => fetchText(Number(nodePort)).catch(String), { timeout: 10_000 })
        .toContain('Welcome to nginx!');
    });

    it('copies files', async () => {
      const ns = await namespace('copying');
      await lab.ok(['run', 'box', '--image=busybox', ...ns, '--', 'sleep', '3600']);
      await lab.ok(['wait', '--for=condition=Ready', 'pod/box', '--timeout=30s', ...ns]);
      await lab.ok(['cp', lab.facts.kubeconfig, 'copying/box:/tmp/file']);
      expect(await lab.ok(['exec', 'box', ...ns, '--', 'grep', '-c', 'kind: Config', '/tmp/file'])).toBe('1\n');
    });

    it('says why an image cannot be pulled', async () => {
      const ns = await namespace('pulling');
      await lab.ok(['run', 'bad', '--image=no-such-image:1', ...ns]);
      await lab.ok([
        'wait',
        '--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff',
        'pod/bad',
        '--timeout=30s',
        ...ns,
      ]);
      expect(await lab.ok(['get', 'pod', 'bad', ...ns])).toMatch(/bad\s+0\/1\s+(ImagePullBackOff|ErrImagePull)/);
      expect(await lab.ok(['describe', 'pod', 'bad', ...ns])).toMatch(
        /Warning\s+Failed\s+.*Failed to pull image "no-such-image:1"/,
      );
    });
  });

  describe('nodes', () => {
    it('taints, cordons, drains and uncordons', async () => {
      const ns = await namespace('draining');
      await lab.ok(['create', 'deployment', 'web', '--image=nginx', '--replicas=6', ...ns]);
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      expect(await lab.ok(['cordon', 'worker-3'])).toBe('node/worker-3 cordoned\n');
      expect(await lab.ok(['get', 'node', 'worker-3'])).toMatch(/Ready,SchedulingDisabled/);
      const drained = await lab.ok([
        'drain',
        'worker-3',
        '--ignore-daemonsets',
        '--delete-emptydir-data',
        '--force',
        '--timeout=90s',
      ]);
      expect(drained).toContain('node/worker-3 drained');
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      const placed = await lab.ok(['get', 'pods', '-o', 'jsonpath={.items[*].spec.nodeName}', ...ns]);
      expect(new Set(placed.split(' '))).toEqual(new Set(['worker-1', 'worker-2']));
      expect(await lab.ok(['uncordon', 'worker-3'])).toBe('node/worker-3 uncordoned\n');
      expect(await lab.ok(['taint', 'node', 'worker-3', 'team=red:NoSchedule'])).toBe('node/worker-3 tainted\n');
      expect(await lab.ok(['describe', 'node', 'worker-3'])).toMatch(/Taints:\s+team=red:NoSchedule/);
      expect(await lab.ok(['taint', 'node', 'worker-3', 'team-'])).toBe('node/worker-3 untainted\n');
    });
  });

  describe('describe', () => {
    it('tells of a pod, a node, a deployment and a service', async () => {
      const ns = await namespace('describing');
      await lab.ok(['apply', '-f', '-', ...ns], webManifest('nginx:1.27', 1));
      await lab.ok(['rollout', 'status', 'deployment/web', '--timeout=60s', ...ns]);
      const pod = await lab.ok(['describe', 'pod', '-l', 'app=web', ...ns]);
      expect(pod).toMatch(/Node:\s+worker-\d\/172\.30\./);
      expect(pod).toMatch(/Status:\s+Running/);
      expect(pod).toMatch(/Controlled By:\s+ReplicaSet\/web-/);
      expect(pod).toMatch(/QoS Class:\s+Burstable/);
      expect(pod).toMatch(
        /Normal\s+Scheduled\s+.*default-scheduler\s+Successfully assigned describing\/web-\S+ to worker-\d/,
      );
      expect(pod).toMatch(/Normal\s+Pull(ed|ing)\s+/);
      expect(pod).toMatch(/Normal\s+Started\s+.*kubelet/);
      expect(pod).toMatch(/Tolerations:\s+node\.kubernetes\.io\/not-ready:NoExecute op=Exists for 300s/);
      const node = await lab.ok(['describe', 'node', 'worker-1']);
      expect(node).toMatch(/Lease:\n\s+HolderIdentity:\s+worker-1/);
      expect(node).toMatch(/Ready\s+True\s+.*KubeletReady\s+kubelet is posting ready status/);
      expect(node).toMatch(/Allocated resources:/);
      const deployment = await lab.ok(['describe', 'deployment', 'web', ...ns]);
      expect(deployment).toMatch(/Replicas:\s+1 desired \| 1 updated \| 1 total \| 1 available \| 0 unavailable/);
      expect(deployment).toMatch(/Available\s+True\s+MinimumReplicasAvailable/);
      expect(deployment).toMatch(/Progressing\s+True\s+NewReplicaSetAvailable/);
      expect(deployment).toMatch(/ScalingReplicaSet\s+.*Scaled up replica set web-\S+ from 0 to 1/);
      const service = await lab.ok(['describe', 'service', 'web', ...ns]);
      expect(service).toMatch(/Endpoints:\s+10\.244\.\d+\.\d+:80/);
    });
  });

  describe('discovery and access', () => {
    it('explains fields with descriptions', async () => {
      const text = await lab.ok(['explain', 'deployment.spec.strategy']);
      expect(text).toMatch(/GROUP:\s+apps\nKIND:\s+Deployment\nVERSION:\s+v1/);
      expect(text).toMatch(/FIELD: strategy <DeploymentStrategy>/);
      expect(text).toMatch(/rollingUpdate\s+<RollingUpdateDeployment>\n\s+\w+/);
    });

    it('lists resources and versions', async () => {
      const resources = await lab.ok(['api-resources']);
      expect(resources).toMatch(/^NAME\s+SHORTNAMES\s+APIVERSION\s+NAMESPACED\s+KIND/);
      expect(resources).toMatch(/deployments\s+deploy\s+apps\/v1\s+true\s+Deployment/);
      expect(resources).toMatch(/nodes\s+no\s+v1\s+false\s+Node/);
      expect(await lab.ok(['api-versions'])).toContain('apps/v1\n');
      expect(await lab.ok(['version'])).toMatch(/Server Version: v1\.36\.\d+/);
      expect(await lab.ok(['cluster-info'])).toContain('Kubernetes control plane');
    });

    it('answers who may do what', async () => {
      expect(await lab.ok(['auth', 'can-i', 'delete', 'nodes'])).toBe('yes\n');
      const other = await lab.kubectl([
        'auth',
        'can-i',
        'delete',
        'nodes',
        '--as=system:serviceaccount:default:default',
      ]);
      expect([other.code, other.stdout]).toEqual([1, 'no\n']);
      expect(await lab.ok(['auth', 'whoami'])).toMatch(/Username\s+kubernetes-admin/);
      const denied = await lab.kubectl(['get', 'pods', '--as=jane']);
      expect(denied.stderr).toContain(
        'Error from server (Forbidden): pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
      );
    });

    it('views its configuration without secrets', async () => {
      const view = await lab.ok(['config', 'view']);
      expect(view).toContain('current-context: drydock-lab');
      expect(view).toContain('client-key-data: DATA+OMITTED');
    });
  });

  describe('wrong input', () => {
    it('gets the usual texts', async () => {
      const texts: [string[], string | RegExp, string?][] = [
        [['get', 'pod', 'nope'], 'Error from server (NotFound): pods "nope" not found\n'],
        [['get', 'nonsense'], 'error: the server doesn\'t have a resource type "nonsense"\n'],
        [
          ['create', 'namespace', 'default'],
          'Error from server (AlreadyExists): namespaces "default" already exists\n',
        ],
        [
          ['create', 'configmap', 'Bad_Name'],
          /error: failed to create configmap: ConfigMap "Bad_Name" is invalid: metadata\.name: Invalid value: "Bad_Name": a lowercase RFC 1123 subdomain must consist of/,
        ],
        [
          ['run', 'x', '--image=nginx', '-n', 'absent'],
          'Error from server (NotFound): namespaces "absent" not found\n',
        ],
        [
          ['apply', '-f', '-'],
          /unknown field "spec\.replicaz"/,
          webManifest('nginx', 1).replace('replicas:', 'replicaz:'),
        ],
        [['apply', '-f', '-'], /spec\.template\.spec\.containers\[0\]\.image: Required value/, webManifest('""', 1)],
        [['scale', 'deployment/absent', '--replicas=2'], /deployments\.apps "absent" not found/],
      ];
      for (const [args, expected, input] of texts) {
        const output = await lab.kubectl(args, input === undefined ? {} : { input });
        expect(output.code, args.join(' ')).not.toBe(0);
        if (typeof expected === 'string') expect(output.stderr).toBe(expected);
        else expect(output.stderr).toMatch(expected);
      }
    });
  });

  describe('jobs', () => {
    it('completes a job and deletes it with its pods', async () => {
      const ns = await namespace('jobs');
      await lab.ok(['create', 'job', 'sum', '--image=busybox', ...ns, '--', 'sh', '-c', 'echo $((1+2))']);
      await lab.ok(['wait', '--for=condition=complete', 'job/sum', '--timeout=60s', ...ns]);
      expect(await lab.ok(['logs', 'job/sum', ...ns])).toBe('3\n');
      await lab.ok(['delete', 'job', 'sum', ...ns]);
      await expect.poll(() => lab.ok(['get', 'pods', '-o', 'name', ...ns]), { timeout: 20_000 }).toBe('');
    });

    it('deletes a namespace with all that is in it', async () => {
      const ns = await namespace('leaving');
      await lab.ok(['create', 'deployment', 'web', '--image=nginx', '--replicas=2', ...ns]);
      await lab.ok(['delete', 'namespace', 'leaving', '--timeout=60s']);
      expect((await lab.kubectl(['get', 'namespace', 'leaving'])).stderr).toContain('namespaces "leaving" not found');
    });
  });
});

function fetchText(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path: '/', agent: false }, (response) => {
      let text = '';
      response
        .setEncoding('utf8')
        .on('data', (chunk: string) => (text += chunk))
        .on('end', () => resolve(text))
        .on('error', reject);
    }).on('error', reject);
  });
}

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kubectlProgram, skipWithout } from '../harness/programs.ts';
import { TestLab } from '../harness/lab.ts';

/**
 * kubectl's generators send protobuf. What comes back must hold, field by field, what the same command prints when it sends
 * nothing (`--dry-run=client`): a wrong field number or a lost zero shows here.
 */
describe.skipIf(skipWithout(kubectlProgram))('kubectl create', () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.up();
  });
  afterAll(async () => {
    await lab.destroy();
  });

  const commands = [
    'create namespace other',
    'create configmap settings --from-literal=a=b --from-literal=empty=',
    'create secret generic token --from-literal=p=q',
    'create secret docker-registry pull --docker-username=u --docker-password=p --docker-server=r.example',
    'create deployment web --image=nginx --replicas=2 --port=80',
    'create deployment none --image=nginx --replicas=0 -- sleep 1000',
    'create job once --image=busybox -- sh -c true',
    'create cronjob daily --image=busybox --schedule=@daily --restart=OnFailure -- date',
    'create quota limits --hard=cpu=1500m,memory=10Gi,pods=100 --scopes=NotBestEffort',
    'create role reader --verb=get,list --resource=pods,deployments.apps --resource-name=x',
    'create rolebinding readers --role=reader --user=u --group=g --serviceaccount=default:default',
    'create clusterrole probe --verb=get --non-resource-url=/healthz',
    'create clusterrole sum --aggregation-rule=a=b',
    'create clusterrolebinding probes --clusterrole=probe --user=u',
    'create serviceaccount robot',
    'create service clusterip two-ports --tcp=80:8080 --tcp=443:https',
    'create service clusterip headless --clusterip=None',
    'create service nodeport outside --tcp=80 --node-port=30123',
    'create service externalname elsewhere --external-name=example.test',
    'create poddisruptionbudget half --selector=app=web --min-available=50%',
    'create poddisruptionbudget one --selector=app=none --max-unavailable=1',
    'create ingress site --class=nginx --rule=a.example.com/*=web:80,tls=cert',
    'create priorityclass low --value=0 --description=x --preemption-policy=Never',
    'run pod --image=nginx --port=80 --env=A=b --labels=x=y --image-pull-policy=IfNotPresent',
    'run task --image=busybox --restart=Never --command -- sleep 1000',
    'expose deployment web --port=80 --target-port=http --name=exposed',
  ];

  it.each(commands)('%s', async (command) => {
    const [flags = '', program] = command.split(' -- ');
    const rest = program === undefined ? [] : ['--', ...program.split(' ')];
    const words = [...flags.split(' '), '-o', 'json'];
    const wanted: unknown = JSON.parse(await lab.ok([...words, '--dry-run=client', ...rest]));
    const created: unknown = JSON.parse(await lab.ok([...words, ...rest]));
    expect(created).toMatchObject(withoutEmpty(wanted));
  });

  it('says that a kind is not served', async () => {
    const manifest = JSON.stringify({
      apiVersion: 'storage.k8s.io/v1',
      kind: 'StorageClass',
      metadata: { name: 'web' },
    });
    const applied = await lab.kubectl(['apply', '-f', '-'], { input: manifest });
    expect(applied.stderr).toBe(
      'error: resource mapping not found for name: "web" namespace: "" from "STDIN": ' +
        'no matches for kind "StorageClass" in version "storage.k8s.io/v1"\nensure CRDs are installed first\n',
    );
  });
});

/** Go prints empty structs and nil times, which the API server leaves out. */
function withoutEmpty(value: unknown): object {
  return JSON.parse(
    JSON.stringify(value, (_key, part: unknown) =>
      part === null || (typeof part === 'object' && Object.keys(part).length === 0) ? undefined : part,
    ),
  ) as object;
}

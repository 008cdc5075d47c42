import { expect, test } from 'vitest';
import { findResource } from '../resources/table.ts';
import { decodeObject } from '../schema/decode.ts';
import { errorText } from '../validation/errors.ts';
import { decodeProtobuf } from './decode.ts';

/** Bodies that kubectl 1.35 sent. */
const bodies = {
  // kubectl create deployment web --image=nginx --replicas=2 --port=80
  deployments:
    'azhzAAoVCgdhcHBzL3YxEgpEZXBsb3ltZW50ErgBCh8KA3dlYhIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEoYBCAISDAoKCgNhcHASA3dlYhpsChwKABIAGgAiACoAMgA4AEIAWgoKA2FwcBIDd2ViEkwSLgoFbmdpbngSBW5naW54KgAyCgoAEAAYUCIAKgBCAGoAcgCAAQCIAQCQAQCiAQAaADIAQgBKAFIAWABgAGgAggEAigEAmgEAwgEAIgIKACgAOAAaDAgAEAAYACAAKAA4ABoAIgA=',
  // kubectl create configmap c --from-literal=a=b
  configmaps: 'azhzAAoPCgJ2MRIJQ29uZmlnTWFwEhsKEQoBYxIAGgAiACoAMgA4AEIAEgYKAWESAWIaACIA',
  // kubectl create secret generic s --from-literal=x=y
  secrets: 'azhzAAoMCgJ2MRIGU2VjcmV0Eh0KEQoBcxIAGgAiACoAMgA4AEIAEgYKAXgSAXkaABoAIgA=',
  // kubectl create role r --verb=get --resource=pods
  roles:
    'azhzAAokChxyYmFjLmF1dGhvcml6YXRpb24uazhzLmlvL3YxEgRSb2xlEiIKEQoBchIAGgAiACoAMgA4AEIAEg0KA2dldBIAGgRwb2RzGgAiAA==',
  // kubectl create service clusterip z --tcp=80:8080
  services:
    'azhzAAoNCgJ2MRIHU2VydmljZRJjChsKAXoSABoAIgAqADIAOABCAFoICgNhcHASAXoSQAobCgc4MC04MDgwEgNUQ1AYUCIHCAAQkD8aACgAEggKA2FwcBIBehoAIglDbHVzdGVySVA6AEIAUgBaAGAAaAAaAgoAGgAiAA==',
  // kubectl create poddisruptionbudget q --selector=a=b --min-available=50%
  poddisruptionbudgets:
    'azhzAAogCglwb2xpY3kvdjESE1BvZERpc3J1cHRpb25CdWRnZXQSNgoRCgFxEgAaACIAKgAyADgAQgASFQoJCAEQABoDNTAlEggKBgoBYRIBYhoKCAAYACAAKAAwABoAIgA=',
  // kubectl auth can-i get pods
  selfsubjectaccessreviews:
    'azhzAAoyChdhdXRob3JpemF0aW9uLms4cy5pby92MRIXU2VsZlN1YmplY3RBY2Nlc3NSZXZpZXcSPAoQCgASABoAIgAqADIAOABCABIeChwKB2RlZmF1bHQSA2dldBoAIgAqBHBvZHMyADoAGggIABIAGgAgABoAIgA=',
};

function decode(group: string, plural: keyof typeof bodies) {
  const row = findResource(group, 'v1', plural);
  if (!row) throw new Error(`no ${plural}`);
  const json = decodeProtobuf(Uint8Array.from(Buffer.from(bodies[plural], 'base64')));
  const { object } = decodeObject(json, row, 'Strict');
  return { row, object };
}

test('a deployment reads as its JSON would, and is valid', () => {
  const { row, object } = decode('apps', 'deployments');
  expect(object).toMatchObject({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'web', labels: { app: 'web' } },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: 'web' } },
      template: { spec: { containers: [{ name: 'nginx', image: 'nginx', ports: [{ containerPort: 80 }] }] } },
    },
  });
  const { strategy } = row;
  const placed = { ...object, metadata: { ...object.metadata, namespace: 'default' } };
  expect(strategy.validate(strategy.prepareForCreate(strategy.applyDefaults(placed))).map(errorText)).toEqual([]);
});

test('maps, bytes, numbers or text, lists of text', () => {
  expect(decode('', 'configmaps').object).toMatchObject({ metadata: { name: 'c' }, data: { a: 'b' } });
  expect(decode('', 'secrets').object).toMatchObject({ data: { x: 'eQ==' } });
  expect(decode('', 'services').object).toMatchObject({
    spec: { ports: [{ name: '80-8080', port: 80, protocol: 'TCP', targetPort: 8080 }], selector: { app: 'z' } },
  });
  expect(decode('policy', 'poddisruptionbudgets').object).toMatchObject({ spec: { minAvailable: '50%' } });
  expect(decode('rbac.authorization.k8s.io', 'roles').object).toMatchObject({
    rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
  });
  expect(decode('authorization.k8s.io', 'selfsubjectaccessreviews').object).toMatchObject({
    spec: { resourceAttributes: { namespace: 'default', resource: 'pods', verb: 'get' } },
  });
});

test('what is no such message is refused', () => {
  expect(() => decodeProtobuf(Uint8Array.of(1, 2, 3, 4))).toThrow('does not appear to be a protobuf message');
  const cut = Uint8Array.from(Buffer.from(bodies.deployments, 'base64')).subarray(0, 60);
  expect(() => decodeProtobuf(cut)).toThrow('unable to decode the protobuf body: unexpected EOF');
});

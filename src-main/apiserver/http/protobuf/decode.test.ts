import { expect, test } from 'vitest';
import { resourceTable } from '#api/resources/table';
import { decodeProtobuf } from './decode.ts';

/** Builds messages by hand: what Go would send. */
const text = (number: number, value: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, Buffer.byteLength(value)]), Buffer.from(value)]);
const varint = (number: number, value: number): Buffer =>
  Buffer.from(number < 16 ? [number << 3, value] : [((number << 3) & 0x7f) | 0x80, number >> 4, value]);
const join = (...parts: readonly Buffer[]): Buffer => Buffer.concat(parts);

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  return join(
    Buffer.from('k8s\0'),
    text(1, join(text(1, apiVersion), text(2, kind))),
    text(2, raw),
    text(3, ''),
    text(4, ''),
  );
}

test('a ConfigMap: names, maps of text and of bytes, empty fields left out', () => {
  const metadata = join(
    text(1, 'a'),
    text(2, ''),
    text(3, 'dev'),
    text(11, join(text(1, 'app'), text(2, 'x'))),
    text(11, join(text(1, 'tier'), text(2, ''))),
  );
  const raw = join(
    text(1, metadata),
    text(2, join(text(1, 'k'), text(2, 'v'))),
    text(3, join(text(1, 'b'), text(2, Buffer.from([1, 2])))),
    varint(4, 0),
  );
  expect(decodeProtobuf(envelope('v1', 'ConfigMap', raw))).toEqual({
    ...{
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'a', namespace: 'dev', labels: { app: 'x', tier: '' } },
    },
    // A pointer that is there counts, whatever it points to.
    ...{ data: { k: 'v' }, binaryData: { b: 'AQI=' }, immutable: false },
  });
});

test('a Deployment: pointers to zero stay, zeros of plain fields and empty times go', () => {
  const spec = join(varint(1, 0), varint(5, 0), varint(7, 0));
  const raw = join(text(1, join(text(1, 'web'), text(8, ''))), text(2, spec), text(3, ''));
  expect(decodeProtobuf(envelope('apps/v1', 'Deployment', raw))).toEqual({
    ...{ kind: 'Deployment', apiVersion: 'apps/v1', metadata: { name: 'web' } },
    spec: { replicas: 0 },
  });
});

test('inlined messages, quantities, ports by number and by name', () => {
  const probe = join(
    text(1, text(2, join(text(1, '/'), text(2, join(varint(1, 1), varint(2, 0), text(3, 'http')))))),
    varint(4, 10),
  );
  const resources = text(1, join(text(1, 'cpu'), text(2, text(1, '250m'))));
  const container = join(text(1, 'c'), text(8, resources), text(10, probe), varint(16, 1));
  const volume = join(text(1, 'v'), text(2, text(2, '')));
  const raw = text(2, join(text(1, volume), text(2, container), varint(4, 30)));
  expect(decodeProtobuf(envelope('v1', 'Pod', raw))).toEqual({
    ...{ kind: 'Pod', apiVersion: 'v1' },
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          ...{ name: 'c', resources: { limits: { cpu: '250m' } }, stdin: true },
          livenessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 10 },
        },
      ],
      terminationGracePeriodSeconds: 30,
    },
  });
});

test('delete options are the same in every group', () => {
  const raw = join(varint(1, 0), text(4, 'Background'));
  const expected = {
    kind: 'DeleteOptions',
    apiVersion: 'apps/v1',
    gracePeriodSeconds: 0,
    propagationPolicy: 'Background',
  };
  expect(decodeProtobuf(envelope('apps/v1', 'DeleteOptions', raw))).toEqual(expected);
});

test('what is no such message says so', () => {
  expect(() => decodeProtobuf(Buffer.from('{}'))).toThrow('expected prefix 6b387300');
  expect(() => decodeProtobuf(envelope('v1', 'ConfigMap', text(4, 'yes')))).toThrow(
    'wrong wireType = 2 for field immutable',
  );
  expect(() => decodeProtobuf(envelope('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f])))).toThrow('unexpected EOF');
});

test('of a kind that is not served the registry learns the name', () => {
  const decoded = decodeProtobuf(envelope('storage.k8s.io/v1', 'StorageClass', text(1, text(1, 'web'))));
  expect(decoded).toEqual({ kind: 'StorageClass', apiVersion: 'storage.k8s.io/v1' });
});

test('the envelope of every kind that is served is known', () => {
  const kinds = new Set(
    resourceTable.flatMap((row) => [`${row.group ? `${row.group}/` : ''}${row.version} ${row.kind}`]),
  );
  kinds.add('autoscaling/v1 Scale').add('policy/v1 Eviction').add('authentication.k8s.io/v1 TokenRequest');
  for (const kind of kinds) {
    const [apiVersion = '', name = ''] = kind.split(' ');
    // Field 1 is a message everywhere (metadata, or options' grace period): a varint where it belongs is refused.
    expect(() => decodeProtobuf(envelope(apiVersion, name, varint(1, 0))), kind).toThrow('wrong wireType');
  }
});

test('zeros behind pointers stay: what a client asks for with 0 or false is not a default', () => {
  const context = join(varint(2, 0), varint(4, 0), varint(5, 0), varint(7, 0), varint(8, 0));
  const container = join(text(1, 'c'), text(15, context), varint(16, 0));
  const source = text(3, join(text(1, text(1, 'm')), text(2, 'k'), varint(3, 0)));
  const env = text(7, join(text(1, 'E'), text(2, ''), text(3, source)));
  const raw = text(2, join(text(2, join(container, env)), varint(4, 0), varint(5, 0), varint(11, 0), varint(21, 0)));
  expect(decodeProtobuf(envelope('v1', 'Pod', raw))).toMatchObject({
    spec: {
      containers: [
        {
          ...{
            name: 'c',
            env: [{ name: 'E', valueFrom: { configMapKeyRef: { name: 'm', key: 'k', optional: false } } }],
          },
          securityContext: {
            ...{ privileged: false, runAsUser: 0, runAsNonRoot: false },
            ...{ allowPrivilegeEscalation: false, runAsGroup: 0 },
          },
        },
      ],
      ...{ terminationGracePeriodSeconds: 0, activeDeadlineSeconds: 0, automountServiceAccountToken: false },
    },
  });
});

test('times, owners, managed fields, lists of wrapped text', () => {
  const big = [0x80, 0x94, 0xeb, 0xdc, 0x03]; // 1000000000
  const time = Buffer.from([0x08, ...big, 0x10, 0x00]);
  const owner = join(text(1, 'Job'), text(3, 'j'), text(4, 'u'), text(5, 'batch/v1'), varint(6, 1), varint(7, 0));
  const managed = join(text(1, 'me'), text(4, time), text(7, text(1, '{"f:data":{}}')));
  const metadata = join(
    text(1, 'l'),
    text(8, time),
    text(13, owner),
    Buffer.from([0x8a, 0x01, managed.length]),
    managed,
  );
  const spec = text(4, Buffer.from([0x08, ...big, 0x10, 0x90, 0x4e])); // 10000 nanoseconds
  expect(decodeProtobuf(envelope('coordination.k8s.io/v1', 'Lease', join(text(1, metadata), text(2, spec))))).toEqual({
    ...{ kind: 'Lease', apiVersion: 'coordination.k8s.io/v1' },
    metadata: {
      ...{ name: 'l', creationTimestamp: '2001-09-09T01:46:40Z' },
      ownerReferences: [
        ...[{ kind: 'Job', name: 'j', uid: 'u', apiVersion: 'batch/v1', controller: true, blockOwnerDeletion: false }],
      ],
      managedFields: [{ manager: 'me', time: '2001-09-09T01:46:40Z', fieldsV1: { 'f:data': {} } }],
    },
    spec: { renewTime: '2001-09-09T01:46:40.000010Z' },
  });
});

test('a key named __proto__ is a key', () => {
  const entry = text(2, join(text(1, '__proto__'), text(2, 'v')));
  const decoded = decodeProtobuf(envelope('v1', 'ConfigMap', entry));
  expect(JSON.stringify(decoded)).toBe('{"kind":"ConfigMap","apiVersion":"v1","data":{"__proto__":"v"}}');
});

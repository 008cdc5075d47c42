import { expect, test } from 'vitest';
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
  expect(() => decodeProtobuf(envelope('v9', 'Nothing', Buffer.alloc(0)))).toThrow(
    'no kind "Nothing" is registered for version "v9"',
  );
  expect(() => decodeProtobuf(envelope('v1', 'ConfigMap', Buffer.from([0x0a, 0x7f])))).toThrow('unexpected EOF');
});

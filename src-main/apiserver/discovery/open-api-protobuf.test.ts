import { expect, test } from 'vitest';
import { Reader } from 'protobufjs/minimal.js';
import { openApiV2 } from '#api/openapi/documents';
import { encodeOpenApiV2 } from './open-api-protobuf.ts';

/** The length-delimited fields of `number` in a message. */
function fieldsOf(bytes: Uint8Array, number: number): Uint8Array[] {
  const reader = Reader.create(bytes);
  const found: Uint8Array[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === ((number << 3) | 2)) found.push(reader.bytes());
    else reader.skipType(tag & 7);
  }
  return found;
}

const descend = (bytes: Uint8Array, ...path: readonly number[]): Uint8Array[] =>
  path.reduce<Uint8Array[]>((all, number) => all.flatMap((one) => fieldsOf(one, number)), [bytes]);

const textsOf = (all: readonly Uint8Array[]): string[] => all.map((one) => Buffer.from(one).toString('utf8'));

test('the whole document has a place in the message', async () => {
  const json = await openApiV2('v1.36.0');
  const bytes = encodeOpenApiV2(json);
  const { definitions, paths } = json as { definitions: object; paths: object };
  expect(textsOf(descend(bytes, 1))).toEqual(['2.0']);
  expect(textsOf(descend(bytes, 8, 2, 1))).toEqual(Object.keys(paths));
  expect(textsOf(descend(bytes, 9, 1, 1))).toEqual(Object.keys(definitions));
});

test('parameters by their place, extensions as YAML', () => {
  const parameters = [
    { name: 'body', in: 'body', required: true, schema: { $ref: '#/definitions/A' } },
    { name: 'dryRun', in: 'query', type: 'string', uniqueItems: true },
  ];
  const patch = { parameters, responses: { 200: { description: 'OK' } }, 'x-kubernetes-action': 'patch' };
  const operations = descend(encodeOpenApiV2({ paths: { '/a': { patch } } }), 8, 2, 2, 8);
  const [operation = new Uint8Array()] = operations;
  expect(textsOf(descend(operation, 8, 1, 1, 5, 1))).toEqual(['#/definitions/A']);
  expect(textsOf(descend(operation, 8, 1, 2, 3, 4))).toEqual(['dryRun']);
  expect(textsOf(descend(operation, 9, 1, 1))).toEqual(['200']);
  expect(textsOf(descend(operation, 13, 2, 2))).toEqual(['"patch"']);
});

test('what has no field is an error, not a loss', () => {
  expect(() => encodeOpenApiV2({ tags: [] })).toThrow('no field for tags');
});

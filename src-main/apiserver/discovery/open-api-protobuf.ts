import { Writer } from 'protobufjs/minimal.js';

/**
 * The OpenAPI v2 document as a message `openapi.v2.Document` of gnostic, which is the only form kubectl takes it in: it looks
 * there for kinds that no v3 document knows. Only fields that our documents have are written down here; any other is an error.
 */
type Encode = (writer: Writer, value: unknown) => void;

const delimited = (number: number): number => (number << 3) | 2;

const entriesOf = (value: unknown): [string, unknown][] =>
  typeof value === 'object' && value !== null ? Object.entries(value) : [];

const text =
  (number: number): Encode =>
  (writer, value) => {
    writer.uint32(delimited(number)).string(String(value));
  };

const flag =
  (number: number): Encode =>
  (writer, value) => {
    writer.uint32(number << 3).bool(value === true);
  };

/** A message within a message. */
const within =
  (number: number, encode: Encode): Encode =>
  (writer, value) => {
    writer.uint32(delimited(number)).fork();
    encode(writer, value);
    writer.ldelim();
  };

const each =
  (encode: Encode): Encode =>
  (writer, value) => {
    for (const item of Array.isArray(value) ? value : []) encode(writer, item);
  };

/** An object of free keys: a list of messages with the key in field 1 and the value in field 2. */
const named = (number: number, encode: Encode): Encode => {
  const content = within(2, encode);
  return (writer, value) => {
    for (const [name, part] of entriesOf(value)) {
      writer.uint32(delimited(number)).fork();
      text(1)(writer, name);
      content(writer, part);
      writer.ldelim();
    }
  };
};

/** A value of any form is YAML text, which JSON is. */
const any: Encode = (writer, value) => text(2)(writer, JSON.stringify(value));

/** An object of known keys. `extensions`: the number of the field for keys that begin with `x-`. */
function message(fields: () => Readonly<Record<string, Encode>>, extensions = 0): Encode {
  let known: Readonly<Record<string, Encode>> | undefined;
  return (writer, value) => {
    known ??= fields();
    for (const [key, part] of entriesOf(value)) {
      if (part === undefined) continue;
      const encode = known[key];
      if (encode) encode(writer, part);
      else if (extensions > 0 && key.startsWith('x-')) named(extensions, any)(writer, { [key]: part });
      else throw new Error(`OpenAPI v2 in protobuf: no field for ${key}`);
    }
  };
}

const schema: Encode = message(
  () => ({
    ...{ $ref: text(1), format: text(2), title: text(3), description: text(4), default: within(5, any) },
    ...{ required: each(text(19)), enum: each(within(20, any)), type: within(22, text(1)) },
    additionalProperties: within(21, (writer, value) =>
      typeof value === 'boolean' ? flag(2)(writer, value) : within(1, schema)(writer, value),
    ),
    items: within(23, within(1, schema)),
    properties: within(25, named(1, schema)),
  }),
  31,
);

const bodyParameter = message(() => ({
  ...{ description: text(1), name: text(2), in: text(3), required: flag(4), schema: within(5, schema) },
}));
const shared = { required: flag(1), in: text(2), description: text(3), name: text(4) };
const queryParameter = message(() => ({ ...shared, type: text(6), uniqueItems: flag(20) }));
const pathParameter = message(() => ({ ...shared, type: text(5), uniqueItems: flag(19) }));

/** One message for each place that a parameter may be in, each in its own choice of fields. */
const parameters: Record<string, Encode> = {
  body: within(1, bodyParameter),
  query: within(2, within(3, queryParameter)),
  path: within(2, within(4, pathParameter)),
};

const parameter: Encode = (writer, value) => {
  const place = String(new Map(entriesOf(value)).get('in'));
  const encode = parameters[place];
  if (!encode) throw new Error(`OpenAPI v2 in protobuf: a parameter in ${place}`);
  within(1, encode)(writer, value);
};

const response = message(() => ({ description: text(1), schema: within(2, within(1, schema)) }));

const operation = message(
  () => ({
    ...{ tags: each(text(1)), description: text(3), operationId: text(5), produces: each(text(6)) },
    ...{ consumes: each(text(7)), parameters: each(within(8, parameter)), schemes: each(text(10)) },
    responses: within(9, named(1, within(1, response))),
  }),
  13,
);

const pathItem = message(() => ({
  ...{ get: within(2, operation), put: within(3, operation), post: within(4, operation) },
  ...{ delete: within(5, operation), options: within(6, operation), head: within(7, operation) },
  ...{ patch: within(8, operation), parameters: each(within(9, parameter)) },
}));

const apiKey = message(() => ({ type: text(1), name: text(2), in: text(3), description: text(4) }));

const document = message(() => ({
  ...{
    swagger: text(1),
    info: within(
      2,
      message(() => ({ title: text(1), version: text(2) })),
    ),
  },
  ...{ paths: within(8, named(2, pathItem)), definitions: within(9, named(1, schema)) },
  security: each(within(12, named(1, each(text(1))))),
  securityDefinitions: within(13, named(1, within(2, apiKey))),
}));

/** `openApi`: the document of `/openapi/v2`. Throws when it has a field that is not written down here. */
export function encodeOpenApiV2(openApi: object): Uint8Array {
  const writer = Writer.create();
  document(writer, openApi);
  return writer.finish();
}

import { StatusError } from '#api/machinery/status';

/** The form in which a client wants its answer (`negotiation` of k8s.io/apiserver, release 1.36). */
export interface Negotiated {
  readonly format: 'json' | 'yaml';
  /** What the answer's object is turned into first. */
  readonly transform: 'none' | 'table' | 'metadata';
}

/** One clause of an Accept header. */
export interface AcceptClause {
  readonly type: string;
  readonly q: number;
  /** `as`, `v`, `g`, `pretty`, ... */
  readonly parameters: Readonly<Record<string, string>>;
}

const plainJson: Negotiated = Object.freeze({ format: 'json', transform: 'none' });
const formats: Readonly<Record<string, 'json' | 'yaml'>> = {
  'application/json': 'json',
  'application/yaml': 'yaml',
  'application/*': 'json',
  '*/*': 'json',
};

/** The clauses of `header`, the most wanted first. */
export function parseAccept(header: string): readonly AcceptClause[] {
  const clauses = header.split(',').map((text) => {
    const [type = '', ...rest] = text.split(';').map((part) => part.trim());
    const parameters: Record<string, string> = {};
    for (const parameter of rest) {
      const [name = '', value = ''] = parameter.split('=');
      parameters[name.trim().toLowerCase()] = value.trim().replace(/^"|"$/g, '');
    }
    return { type: type.toLowerCase(), q: 'q' in parameters ? Number(parameters['q']) : 1, parameters };
  });
  return clauses.filter(({ type, q }) => type !== '' && q > 0).sort((a, b) => b.q - a.q);
}

/** Throws NotAcceptable when the client takes nothing that can be given. */
export function negotiate(accept: string | undefined): Negotiated {
  if (accept === undefined || accept === '' || accept === 'application/json' || accept === '*/*') return plainJson;
  for (const { type, parameters } of parseAccept(accept)) {
    const format = formats[type];
    if (!format) continue;
    const transform = transformOf(parameters);
    if (transform) return { format, transform };
  }
  throw new StatusError(
    'NotAcceptable',
    'only the following media types are accepted: application/json, application/yaml, application/json;stream=watch',
  );
}

function transformOf(parameters: Readonly<Record<string, string>>): Negotiated['transform'] | undefined {
  const { as, v, g } = parameters;
  if (as === undefined) return 'none';
  // Discovery documents are negotiated where they are made.
  if (g === 'apidiscovery.k8s.io') return 'none';
  if (g !== 'meta.k8s.io' || v !== 'v1') return undefined;
  if (as === 'Table') return 'table';
  return as === 'PartialObjectMetadata' || as === 'PartialObjectMetadataList' ? 'metadata' : undefined;
}

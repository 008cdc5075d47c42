import type { NewStore } from '#contract/calls';

/** What the form for a new cluster says of its store. */
export interface StoreForm {
  readonly kind: 'embedded' | 'local' | 'external';
  /** With commas between them. */
  readonly endpoints: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export const emptyStoreForm: StoreForm = { kind: 'embedded', endpoints: '', ca: '', cert: '', key: '' };

/** The fewest of which one may die. */
export const localMembers = 3;

/** Undefined for the embedded store. */
export function storeWish(form: StoreForm): NewStore | undefined {
  if (form.kind === 'embedded') return undefined;
  if (form.kind === 'local') return { kind: 'local', members: localMembers };
  const endpoints = form.endpoints.split(/[\s,]+/).filter((one) => one !== '');
  const file = (name: 'ca' | 'cert' | 'key'): Partial<Record<'ca' | 'cert' | 'key', string>> =>
    form[name].trim() === '' ? {} : { [name]: form[name].trim() };
  return { kind: 'external', endpoints, ...file('ca'), ...file('cert'), ...file('key') };
}

/** Why the endpoints will not do; the host looks closer. */
export function endpointsError({ kind, endpoints }: StoreForm): string | undefined {
  if (kind !== 'external') return undefined;
  const all = endpoints.split(/[\s,]+/).filter((one) => one !== '');
  return all.length > 0 && all.every((one) => /^https?:\/\/[^/\s]+$/.test(one))
    ? undefined
    : 'such as https://10.0.0.7:2379, several with commas';
}

import type { HTTPIngressPath, Ingress, IngressBackend, IngressClass } from '#api/gen/types';
import { jsonEqual } from '#base/freeze';
import { isDns1035Label, isDns1123Subdomain, isPathSegment, isPortName, isPortNumber } from '../machinery/names.ts';
import { forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { parseIp } from './ip-range.ts';
import { byName, each, validateLabels } from './metadata.ts';

/** Rules of ingresses and their classes (`pkg/apis/networking/validation`, release 1.36). */

const pathTypes = ['Exact', 'ImplementationSpecific', 'Prefix'];
const badSequences = ['//', '/./', '/../', '%2f', '%2F'];
const badEndings = ['/..', '/.'];
const wildcard = /^\*(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$/;

function validateHost(host: string, path: string): FieldError[] {
  if (parseIp(host)) return [invalid(path, host, 'must be a DNS name, not an IP address')];
  if (!host.includes('*')) return byName(isDns1123Subdomain, host, path);
  if (wildcard.test(host) && host.length <= 253) return [];
  const detail =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
  return [invalid(path, host, detail)];
}

function validateBackend({ service, resource }: IngressBackend, path: string): FieldError[] {
  if (service && resource) {
    return [invalid(path, '', 'cannot set both resource and service backends')];
  }
  if (resource) {
    return [
      ...(resource.kind ? [] : [required(`${path}.resource.kind`)]),
      ...(resource.name ? [] : [required(`${path}.resource.name`)]),
    ];
  }
  if (!service) return [required(path, 'resource or service backend is required')];
  const errors = service.name
    ? byName(isDns1035Label, service.name, `${path}.service.name`)
    : [required(`${path}.service.name`)];
  const { name, number = 0 } = service.port ?? {};
  if (name && number !== 0) errors.push(invalid(path, '', 'cannot set both port name & port number'));
  else if (name) errors.push(...byName(isPortName, name, `${path}.service.port.name`));
  else if (number !== 0) {
    errors.push(...isPortNumber(number).map((detail) => invalid(`${path}.service.port.number`, number, detail)));
  } else errors.push(required(path, 'port name or number is required'));
  return errors;
}

function validateHttpPath({ path: url = '', pathType, backend }: HTTPIngressPath, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!pathType) errors.push(required(`${path}.pathType`, 'pathType must be specified'));
  else if (!pathTypes.includes(pathType)) errors.push(notSupported(`${path}.pathType`, pathType, pathTypes));
  else if (pathType === 'ImplementationSpecific') {
    if (url && !url.startsWith('/')) errors.push(invalid(`${path}.path`, url, 'must be an absolute path'));
  } else if (!url.startsWith('/')) errors.push(invalid(`${path}.path`, url, 'must be an absolute path'));
  else {
    for (const part of badSequences)
      if (url.includes(part)) errors.push(invalid(`${path}.path`, url, `must not contain '${part}'`));
    for (const end of badEndings)
      if (url.endsWith(end)) errors.push(invalid(`${path}.path`, url, `cannot end with '${end}'`));
  }
  return [...errors, ...validateBackend(backend ?? {}, `${path}.backend`)];
}

export function validateIngress({ spec }: Ingress): FieldError[] {
  const { rules = [], tls, defaultBackend, ingressClassName } = spec ?? {};
  return [
    ...(rules.length === 0 && !defaultBackend
      ? [invalid('spec', rules, 'either `defaultBackend` or `rules` must be specified')]
      : []),
    ...(defaultBackend ? validateBackend(defaultBackend, 'spec.defaultBackend') : []),
    ...each(rules, 'spec.rules', ({ host, http }, at) => [
      ...(host ? validateHost(host, `${at}.host`) : []),
      ...(http && (http.paths ?? []).length === 0 ? [required(`${at}.http.paths`)] : []),
      ...each(http?.paths, `${at}.http.paths`, validateHttpPath),
    ]),
    ...each(tls, 'spec.tls', ({ hosts, secretName }, at) => [
      ...each(hosts, `${at}.hosts`, validateHost),
      ...(secretName ? byName(isDns1123Subdomain, secretName, `${at}.secretName`) : []),
    ]),
    ...(ingressClassName === undefined ? [] : byName(isDns1123Subdomain, ingressClassName, 'spec.ingressClassName')),
  ];
}

const maxController = 250;

export function validateIngressClass({ spec }: IngressClass): FieldError[] {
  const { controller = '', parameters } = spec ?? {};
  const errors: FieldError[] = [];
  if (controller === '') errors.push(required('spec.controller'));
  else if (controller.length > maxController) {
    errors.push({ type: 'tooLong', field: 'spec.controller', detail: `may not be more than ${maxController} bytes` });
  } else if (!controller.includes('/')) {
    errors.push(invalid('spec.controller', controller, 'must be a domain-prefixed path (such as "acme.io/foo")'));
  } else errors.push(...validateLabels({ [controller]: '' }, 'spec.controller'));
  if (!parameters) return errors;
  const at = 'spec.parameters';
  const { kind, name, namespace, scope = 'Cluster' } = parameters;
  if (!kind) errors.push(required(`${at}.kind`, 'kind is required'));
  if (!name) errors.push(required(`${at}.name`, 'name is required'));
  else errors.push(...byName(isPathSegment, name, `${at}.name`));
  if (scope !== 'Cluster' && scope !== 'Namespace') {
    errors.push(notSupported(`${at}.scope`, scope, ['Cluster', 'Namespace']));
  } else if (scope === 'Namespace' && !namespace) {
    errors.push(required(`${at}.namespace`, "`parameters.scope` is set to 'Namespace'"));
  } else if (scope === 'Cluster' && namespace) {
    errors.push(forbidden(`${at}.namespace`, "`parameters.scope` is set to 'Cluster'"));
  }
  return errors;
}

export function validateIngressClassUpdate(next: IngressClass, old: IngressClass): FieldError[] {
  return jsonEqual(next.spec.controller, old.spec.controller)
    ? []
    : [invalid('spec.controller', next.spec.controller, 'field is immutable')];
}

import type {
  Container,
  ContainerPort,
  EnvVar,
  Lifecycle,
  Probe,
  ResourceRequirements,
  VolumeMount,
} from '#api/gen/types';
import { parseQuantityNano } from '#base/quantity';
import { isDns1123Label, isEnvVarName, isPortName, isPortNumber, isQualifiedName } from '../machinery/names.ts';
import { duplicate, forbidden, invalid, notFound, notSupported, required, type FieldError } from './errors.ts';
import { byName, each, nonNegative, oneOf } from './metadata.ts';

/** Rules of containers (`pkg/apis/core/validation`, release 1.36). */

const protocols = ['SCTP', 'TCP', 'UDP'];

/** A port number or a port's name. */
export function validatePort(port: number | string, path: string): FieldError[] {
  return typeof port === 'number'
    ? isPortNumber(port).map((detail) => invalid(path, port, detail))
    : byName(isPortName, port, path);
}

function validatePorts(ports: readonly ContainerPort[] | undefined, path: string): FieldError[] {
  const names = new Set<string>();
  return each(ports, path, (port, at) => {
    const errors: FieldError[] = [];
    if (port.name) {
      const problems = byName(isPortName, port.name, `${at}.name`);
      errors.push(...problems);
      if (problems.length === 0 && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name));
      names.add(port.name);
    }
    if (!port.containerPort) errors.push(required(`${at}.containerPort`));
    else
      errors.push(
        ...isPortNumber(port.containerPort).map((detail) => invalid(`${at}.containerPort`, port.containerPort, detail)),
      );
    if (port.hostPort)
      errors.push(...isPortNumber(port.hostPort).map((detail) => invalid(`${at}.hostPort`, port.hostPort, detail)));
    return [...errors, ...oneOf(port.protocol, protocols, `${at}.protocol`)];
  });
}

const envSources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const;

function validateEnv(env: readonly EnvVar[] | undefined, path: string): FieldError[] {
  return each(env, path, (variable, at) => {
    const errors: FieldError[] = [];
    if (!variable.name) errors.push(required(`${at}.name`));
    else errors.push(...byName(isEnvVarName, variable.name, `${at}.name`));
    const source = variable.valueFrom;
    if (!source) return errors;
    const given = envSources.filter((name) => source[name]);
    if (given.length === 0) {
      const detail = 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`';
      errors.push(invalid(`${at}.valueFrom`, source, detail));
    }
    if (given.length > 1)
      errors.push(invalid(`${at}.valueFrom`, '', 'may not have more than one field specified at a time'));
    if (variable.value) errors.push(invalid(`${at}.valueFrom`, '', 'may not be specified when `value` is not empty'));
    for (const name of ['configMapKeyRef', 'secretKeyRef'] as const) {
      if (source[name] && !source[name].key) errors.push(required(`${at}.valueFrom.${name}.key`));
    }
    return errors;
  });
}

function validateMounts(
  mounts: readonly VolumeMount[] | undefined,
  volumes: ReadonlySet<string>,
  path: string,
): FieldError[] {
  const seen = new Set<string>();
  return each(mounts, path, (mount, at) => {
    const errors: FieldError[] = [];
    if (!mount.name) errors.push(required(`${at}.name`));
    else if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name));
    if (!mount.mountPath) errors.push(required(`${at}.mountPath`));
    else if (seen.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'));
    seen.add(mount.mountPath);
    if (mount.subPath?.split('/').includes('..'))
      errors.push(invalid(`${at}.subPath`, mount.subPath, "must not contain '..'"));
    return errors;
  });
}

const standardResources = new Set(['cpu', 'memory', 'ephemeral-storage']);

function validateResourceName(name: string, path: string): FieldError[] {
  const errors = byName(isQualifiedName, name, path);
  if (errors.length > 0) return errors;
  const standard = standardResources.has(name) || name.startsWith('hugepages-');
  return name.includes('/') || standard
    ? []
    : [
        invalid(path, name, 'must be a standard resource type or fully qualified'),
        invalid(path, name, 'must be a standard resource for containers'),
      ];
}

function validateResources(resources: ResourceRequirements | undefined, path: string): FieldError[] {
  const { limits = {}, requests = {} } = resources ?? {};
  const amounts = (values: Readonly<Record<string, string>>, at: string) =>
    Object.entries(values).flatMap(([name, value]) => {
      const negative = (parseQuantityNano(value) ?? 0n) < 0n;
      return [
        ...validateResourceName(name, `${at}[${name}]`),
        ...(negative ? [invalid(`${at}[${name}]`, value, 'must be greater than or equal to 0')] : []),
      ];
    });
  const exceeding = Object.entries(requests).flatMap(([name, request]) => {
    const limit = limits[name];
    if (limit === undefined) return [];
    const over = (parseQuantityNano(request) ?? 0n) > (parseQuantityNano(limit) ?? 0n);
    return over
      ? [invalid(`${path}.requests`, request, `must be less than or equal to ${name} limit of ${limit}`)]
      : [];
  });
  return [...amounts(limits, `${path}.limits`), ...amounts(requests, `${path}.requests`), ...exceeding];
}

type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;

function validateHandler(handler: Handler, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { exec, httpGet, tcpSocket, grpc } = handler;
  const given = [exec, httpGet, tcpSocket, grpc].filter((one) => one !== undefined);
  if (given.length > 1) errors.push(forbidden(path, 'may not specify more than 1 handler type'));
  if (given.length === 0) errors.push(required(path, 'must specify a handler type'));
  if (exec && (exec.command ?? []).length === 0) errors.push(required(`${path}.exec.command`));
  if (httpGet) {
    if (!httpGet.path) errors.push(required(`${path}.httpGet.path`));
    errors.push(...validatePort(httpGet.port, `${path}.httpGet.port`));
    errors.push(...oneOf(httpGet.scheme, ['HTTP', 'HTTPS'], `${path}.httpGet.scheme`));
  }
  if (tcpSocket) errors.push(...validatePort(tcpSocket.port, `${path}.tcpSocket.port`));
  if (grpc) errors.push(...validatePort(grpc.port, `${path}.grpc.port`));
  return errors;
}

function validateProbe(probe: Probe | undefined, path: string, readiness: boolean): FieldError[] {
  if (!probe) return [];
  const numbers = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const;
  const errors = [
    ...validateHandler(probe, path),
    ...numbers.flatMap((name) => nonNegative(probe[name], `${path}.${name}`)),
  ];
  if (!readiness && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'));
  }
  if (readiness && probe.terminationGracePeriodSeconds !== undefined) {
    const detail = 'must not be set for readinessProbes';
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, probe.terminationGracePeriodSeconds, detail));
  }
  return errors;
}

function validateLifecycle(lifecycle: Lifecycle | undefined, path: string): FieldError[] {
  const hooks = ['postStart', 'preStop'] as const;
  return hooks.flatMap((name) => {
    const hook = lifecycle?.[name];
    if (!hook || hook.sleep) return [];
    return validateHandler(hook, `${path}.${name}`);
  });
}

/** What all kinds of containers have in common. */
export function validateContainer(container: Container, path: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  if (!container.name) errors.push(required(`${path}.name`));
  else errors.push(...byName(isDns1123Label, container.name, `${path}.name`));
  if (!container.image) errors.push(required(`${path}.image`));
  else if (container.image !== container.image.trim()) {
    errors.push(invalid(`${path}.image`, container.image, 'must not have leading or trailing whitespace'));
  }
  if (container.terminationMessagePolicy !== 'File' && container.terminationMessagePolicy !== 'FallbackToLogsOnError') {
    const value = container.terminationMessagePolicy ?? '';
    errors.push(notSupported(`${path}.terminationMessagePolicy`, value, ['FallbackToLogsOnError', 'File']));
  }
  return [
    ...errors,
    ...validatePorts(container.ports, `${path}.ports`),
    ...validateEnv(container.env, `${path}.env`),
    ...validateMounts(container.volumeMounts, volumes, `${path}.volumeMounts`),
    ...oneOf(container.imagePullPolicy, ['Always', 'IfNotPresent', 'Never'], `${path}.imagePullPolicy`),
    ...validateResources(container.resources, `${path}.resources`),
    ...validateLifecycle(container.lifecycle, `${path}.lifecycle`),
    ...validateProbe(container.livenessProbe, `${path}.livenessProbe`, false),
    ...validateProbe(container.readinessProbe, `${path}.readinessProbe`, true),
    ...validateProbe(container.startupProbe, `${path}.startupProbe`, false),
  ];
}

const runtimeFields = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** Init containers: those that end before the pod starts have no probes. */
export function validateInitContainer(container: Container, path: string): FieldError[] {
  if (container.restartPolicy === 'Always') return [];
  if (
    container.restartPolicy !== undefined &&
    container.restartPolicy !== 'Never' &&
    container.restartPolicy !== 'OnFailure'
  ) {
    return [notSupported(`${path}.restartPolicy`, container.restartPolicy, ['Always', 'Never', 'OnFailure'])];
  }
  return runtimeFields
    .filter((field) => container[field] !== undefined)
    .map((field) => forbidden(`${path}.${field}`, 'may not be set for init containers without restartPolicy=Always'));
}

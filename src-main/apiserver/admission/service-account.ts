import type { Container, Pod, ServiceAccount, Volume } from '#api/gen/types';
import type { KubeObject } from '#api/machinery/object';
import type { Random } from '#base/random';
import { forbidden } from '../storage/errors.ts';
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts';

const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
/** An hour and seven seconds: upstream's mark of a token that was asked for without a lifetime. */
const tokenSeconds = 3607;

export type ServiceAccountReader = (
  request: AdmissionRequest,
  namespace: string,
  name: string,
) => Promise<KubeObject | undefined>;

/**
 * ServiceAccount (plugin/pkg/admission/serviceaccount, release 1.36): every pod has a service account that exists, and, unless
 * it says no, a volume with a token, the cluster's CA and its namespace.
 */
export function serviceAccount(read: ServiceAccountReader, random: Random): AdmissionPlugin {
  return {
    name: 'ServiceAccount',
    admit: async (request) => {
      const { operation, served, subresource, object, namespace } = request;
      if (operation !== 'CREATE' || served.resource !== 'pods' || served.group !== '' || subresource) return object;
      const pod = object as Pod & KubeObject;
      if (pod.metadata.annotations?.[mirrorAnnotation] !== undefined) return pod;
      const accountName = pod.spec.serviceAccountName || 'default';
      const account = await read(request, namespace, accountName);
      if (!account) {
        const message = `error looking up service account ${namespace}/${accountName}: serviceaccount "${accountName}" not found`;
        throw forbidden(served, pod.metadata.name ?? '', message);
      }
      return withAccount(pod, account as ServiceAccount & KubeObject, accountName, random);
    },
  };
}

function withAccount(
  pod: Pod & KubeObject,
  account: ServiceAccount & KubeObject,
  accountName: string,
  random: Random,
): Pod & KubeObject {
  const { spec } = pod;
  const named = { ...spec, serviceAccountName: accountName, serviceAccount: accountName };
  const withSecrets =
    !spec.imagePullSecrets?.length && account.imagePullSecrets?.length
      ? { ...named, imagePullSecrets: account.imagePullSecrets }
      : named;
  const mounts = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true;
  return { ...pod, spec: mounts ? withToken(withSecrets, random) : withSecrets };
}

function withToken(spec: Pod['spec'], random: Random): Pod['spec'] {
  const existing = spec.volumes?.find((volume) => volume.name.startsWith('kube-api-access-') && volume.projected);
  const name = existing?.name ?? `kube-api-access-${random.suffix(5)}`;
  let mounted = false;
  const mount = (container: Container): Container => {
    if (container.volumeMounts?.some((one) => one.mountPath === tokenMountPath)) return container;
    mounted = true;
    const volumeMount = { name, readOnly: true, mountPath: tokenMountPath };
    return { ...container, volumeMounts: [...(container.volumeMounts ?? []), volumeMount] };
  };
  const containers = spec.containers.map(mount);
  const initContainers = spec.initContainers?.map(mount);
  if (!mounted) return spec;
  return {
    ...spec,
    containers,
    ...(initContainers ? { initContainers } : {}),
    ...(existing ? {} : { volumes: [...(spec.volumes ?? []), tokenVolume(name)] }),
  };
}

function tokenVolume(name: string): Volume {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: tokenSeconds, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 420,
    },
  };
}

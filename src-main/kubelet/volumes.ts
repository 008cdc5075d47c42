import type { AuthenticationV1TokenRequest, KeyToPath, Pod, Volume, VolumeProjection } from '#api/gen/types';
import type { Clock } from '#base/clock';
import type { Context } from '#base/context';
import { messageOf } from '#base/errors';
import type { KubeClient } from '#client/client';
import { serviceAccounts } from '#client/resources';
import { fieldValue, resourceValue, type NodeFacts } from './field-values.ts';
import type { ObjectCache } from './object-cache.ts';
import { podKey, uidOf } from './pod-facts.ts';
import { fsGroupOf, memoryVolumeBytes, tokenFileOwner } from './volume-facts.ts';
import type { FileKind, VolumeFile, VolumeFiles } from './volume-files.ts';

/** A volume cannot be set up yet. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError';
}

const tokenSeconds = 3607;

/**
 * Puts the volumes of pods into the node's files and keeps their content current (pkg/volume and
 * pkg/kubelet/volumemanager, release 1.36). Kinds: emptyDir, configMap, secret, downwardAPI, projected, hostPath.
 */
export class VolumeManager {
  readonly #files: VolumeFiles;
  readonly #objects: ObjectCache;
  readonly #client: KubeClient;
  readonly #clock: Clock;
  readonly #node: NodeFacts;
  readonly #tokens = new Map<string, { readonly token: string; readonly refreshMs: number }>();

  constructor(files: VolumeFiles, objects: ObjectCache, client: KubeClient, clock: Clock, node: NodeFacts) {
    this.#files = files;
    this.#objects = objects;
    this.#client = client;
    this.#clock = clock;
    this.#node = node;
  }

  podDirectory(pod: Pod): string {
    return `/var/lib/kubelet/pods/${uidOf(pod)}`;
  }

  /** Where a volume of a pod lies on the node. */
  pathOf(pod: Pod, volume: Volume): string {
    if (volume.hostPath) return volume.hostPath.path;
    const plugin = volume.emptyDir
      ? 'empty-dir'
      : volume.configMap
        ? 'configmap'
        : volume.secret
          ? 'secret'
          : volume.downwardAPI
            ? 'downward-api'
            : 'projected';
    return `${this.podDirectory(pod)}/volumes/kubernetes.io~${plugin}/${volume.name}`;
  }

  /** Sets up, or brings up to date, every volume of the pod. Throws {@link VolumeError} with the text of the event. */
  async mount(context: Context, pod: Pod): Promise<void> {
    for (const volume of pod.spec.volumes ?? []) {
      try {
        await this.#mountOne(context, pod, volume);
      } catch (error) {
        context.check();
        throw new VolumeError(`MountVolume.SetUp failed for volume "${volume.name}" : ${messageOf(error)}`, {
          cause: error,
        });
      }
    }
  }

  /** Removes the pod's volumes, but for what lies elsewhere on the node. */
  unmount(pod: Pod): void {
    this.#files.remove(this.podDirectory(pod));
    for (const key of this.#tokens.keys()) if (key.startsWith(`${uidOf(pod)}/`)) this.#tokens.delete(key);
  }

  /** Whether the pod has a volume with content from that object. */
  static uses(pod: Pod, kind: 'ConfigMap' | 'Secret', name: string): boolean {
    return (pod.spec.volumes ?? []).some((volume) => {
      const sources = [
        { configMap: volume.configMap, secret: volume.secret && { name: volume.secret.secretName } },
        ...(volume.projected?.sources ?? []),
      ];
      return sources.some((source) => (kind === 'ConfigMap' ? source.configMap?.name : source.secret?.name) === name);
    });
  }

  async #mountOne(context: Context, pod: Pod, volume: Volume): Promise<void> {
    const path = this.pathOf(pod, volume);
    const gid = fsGroupOf(pod);
    if (volume.emptyDir) return this.#mountEmptyDir(pod, volume.emptyDir, path, gid);
    if (volume.hostPath) return this.#mountHostPath(path, volume.hostPath.type ?? '');
    const files = await this.#content(context, pod, volume);
    if (!files) throw new Error(`volume kind ${kindOf(volume)} is not supported by this kubelet`);
    // What may be secret never touches the disk.
    if (!volume.configMap) this.#files.mountMemory(path);
    this.#files.replaceDirectory(path, files, gid);
  }

  /** One that is there belongs to containers that may run: it stays as they left it. */
  #mountEmptyDir(pod: Pod, source: NonNullable<Volume['emptyDir']>, path: string, gid: number | undefined): void {
    if (source.medium === 'Memory') {
      const fresh = !this.#files.exists(path);
      this.#files.mountMemory(path, memoryVolumeBytes(pod, source, this.#node.memoryBytes));
      if (fresh && gid !== undefined) this.#files.setGroup(path, gid);
      return;
    }
    if (source.medium) throw new Error(`storage medium ${source.medium} is not supported by this kubelet`);
    if (this.#files.exists(path)) return;
    this.#files.makeDirectory(path, 0o777);
    if (gid !== undefined) this.#files.setGroup(path, gid);
  }

  /** pkg/volume/hostpath, release 1.36. */
  #mountHostPath(path: string, type: string): void {
    const there = this.#files.exists(path);
    const wanted = hostPathKinds[type];
    if (there && wanted && there !== wanted.kind)
      throw new Error(`hostPath type check failed: ${path} is not ${wanted.text}`);
    if (there) return;
    if (type === 'FileOrCreate') this.#files.writeFile(path, new Uint8Array(0), 0o644);
    else if (type === '' || type === 'DirectoryOrCreate') this.#files.makeDirectory(path, 0o755);
    else throw new Error(`hostPath type check failed: ${path} is not ${wanted?.text ?? 'there'}`);
  }

  async #content(context: Context, pod: Pod, volume: Volume): Promise<readonly VolumeFile[] | undefined> {
    const { configMap, secret, downwardAPI, projected } = volume;
    if (configMap) return this.#project(context, pod, { configMap }, configMap.defaultMode ?? 0o644);
    if (secret) {
      const { secretName, ...rest } = secret;
      const source = { secret: { ...rest, ...(secretName ? { name: secretName } : {}) } };
      return this.#project(context, pod, source, secret.defaultMode ?? 0o644);
    }
    if (downwardAPI) return this.#project(context, pod, { downwardAPI }, downwardAPI.defaultMode ?? 0o644);
    if (!projected) return undefined;
    const files: VolumeFile[] = [];
    for (const source of projected.sources ?? []) {
      files.push(...(await this.#project(context, pod, source, projected.defaultMode ?? 0o644)));
    }
    return files;
  }

  async #project(context: Context, pod: Pod, source: VolumeProjection, mode: number): Promise<readonly VolumeFile[]> {
    const namespace = pod.metadata.namespace ?? '';
    if (source.configMap) {
      const { name = '', items, optional } = source.configMap;
      const object = await this.#objects.configMap(context, namespace, name);
      if (!object && !optional) throw new Error(`configmap "${name}" not found`);
      const entries = new Map<string, Uint8Array>();
      for (const [key, text] of Object.entries(object?.data ?? {})) entries.set(key, Buffer.from(text, 'utf8'));
      for (const [key, text] of Object.entries(object?.binaryData ?? {})) entries.set(key, Buffer.from(text, 'base64'));
      return pick(entries, items, mode, optional === true, 'configmap');
    }
    if (source.secret) {
      const { name = '', items, optional } = source.secret;
      const object = await this.#objects.secret(context, namespace, name);
      if (!object && !optional) throw new Error(`secret "${name}" not found`);
      const entries = Object.entries(object?.data ?? {}).map(
        ([key, text]) => [key, Buffer.from(text, 'base64')] as const,
      );
      return pick(new Map(entries), items, mode, optional === true, 'secret');
    }
    if (source.downwardAPI) return this.#downward(pod, source.downwardAPI.items ?? [], mode);
    if (source.serviceAccountToken) {
      const token = await this.#token(context, pod, source.serviceAccountToken);
      const owner = tokenFileOwner(pod, mode);
      return [{ path: source.serviceAccountToken.path, content: Buffer.from(token), ...owner }];
    }
    throw new Error('projected volume source is not supported by this kubelet');
  }

  #downward(
    pod: Pod,
    items: NonNullable<NonNullable<Volume['downwardAPI']>['items']>,
    mode: number,
  ): readonly VolumeFile[] {
    const [first] = pod.spec.containers;
    return items.map((item) => {
      const text = item.fieldRef
        ? fieldValue(pod, item.fieldRef, pod.status?.podIP, this.#node)
        : item.resourceFieldRef && first
          ? resourceValue(pod, first, item.resourceFieldRef, this.#node)
          : undefined;
      if (text === undefined) throw new Error(`unsupported downward API field ${item.fieldRef?.fieldPath ?? ''}`);
      return { path: item.path, content: Buffer.from(text), mode: item.mode ?? mode };
    });
  }

  /** A token bound to the pod, asked for again when four fifths of its life are over. */
  async #token(
    context: Context,
    pod: Pod,
    source: NonNullable<VolumeProjection['serviceAccountToken']>,
  ): Promise<string> {
    const account = pod.spec.serviceAccountName || 'default';
    const audience = source.audience ?? '';
    const key = `${uidOf(pod)}/${account}/${audience}`;
    const held = this.#tokens.get(key);
    if (held && this.#clock.now() < held.refreshMs) return held.token;
    const seconds = source.expirationSeconds ?? tokenSeconds;
    const request: AuthenticationV1TokenRequest = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      metadata: {},
      spec: {
        ...(audience ? { audiences: [audience] } : {}),
        expirationSeconds: seconds,
        boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.metadata.name ?? '', uid: uidOf(pod) },
      },
    };
    const accounts = this.#client.resource(serviceAccounts);
    const answer = await accounts
      .createSubresource(context, pod.metadata.namespace ?? '', account, 'token', request)
      .catch((error: unknown) => {
        throw new Error(`failed to fetch token: ${messageOf(error)}`, { cause: error });
      });
    const { status } = answer as AuthenticationV1TokenRequest;
    if (!status?.token) throw new Error(`failed to fetch token: no token in the answer for ${podKey(pod)}`);
    this.#tokens.set(key, { token: status.token, refreshMs: this.#clock.now() + seconds * 800 });
    return status.token;
  }
}

const hostPathKinds: Readonly<Record<string, { readonly kind: FileKind; readonly text: string } | undefined>> = {
  Directory: { kind: 'directory', text: 'a directory' },
  DirectoryOrCreate: { kind: 'directory', text: 'a directory' },
  File: { kind: 'file', text: 'a file' },
  FileOrCreate: { kind: 'file', text: 'a file' },
  Socket: { kind: 'socket', text: 'a socket file' },
  CharDevice: { kind: 'char-device', text: 'a character device' },
  BlockDevice: { kind: 'block-device', text: 'a block device' },
};

function kindOf(volume: Volume): string {
  return Object.keys(volume).find((key) => key !== 'name') ?? 'unknown';
}

function pick(
  entries: ReadonlyMap<string, Uint8Array>,
  items: readonly KeyToPath[] | undefined,
  mode: number,
  optional: boolean,
  kind: string,
): readonly VolumeFile[] {
  if (!items || items.length === 0) return [...entries].map(([path, content]) => ({ path, content, mode }));
  return items.flatMap(({ key, path, mode: own }) => {
    const content = entries.get(key);
    if (content) return [{ path, content, mode: own ?? mode }];
    if (optional) return [];
    throw new Error(`${kind} references non-existent config key: ${key}`);
  });
}

import { parseAllDocuments } from 'yaml';
import { StatusError } from '#api/machinery/status';
import type { KubeObject } from '#api/machinery/object';
import type { Action, Actions, ApiStep } from './actions.svelte.ts';

/** Names one object of a namespaced or cluster-scoped resource. */
export interface ObjectName {
  /** `apps/v1`, `v1` */
  readonly apiVersion: string;
  /** Lower-case plural. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface Deploy {
  readonly namespace: string;
  readonly name: string;
  readonly image: string;
  readonly replicas: number;
  /** Container port to expose with a Service of the same name; absent for none. */
  readonly port?: number;
}

export function pathOf({ apiVersion, resource, namespace, name }: ObjectName): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  const scope = namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  return `${root}${scope}/${resource}${name ? `/${encodeURIComponent(name)}` : ''}`;
}

/** What a person can do to workloads. Everything is one or two requests to the lab's API server. */
export class WorkloadActions {
  readonly #actions: Actions;

  constructor(actions: Actions) {
    this.#actions = actions;
  }

  deploy(lab: string, deploy: Deploy): Promise<boolean> {
    const { namespace, name, image, replicas, port } = deploy;
    const target = { apiVersion: 'apps/v1', resource: 'deployments', namespace, name };
    const expose = port === undefined ? '' : ` && kubectl expose deployment ${name} --port=${port}`;
    const action: Action = {
      command: `kubectl create deployment ${name} --image=${image} --replicas=${replicas}${inNamespace(namespace)}${expose}`,
      call: `POST ${pathOf({ ...target, name: '' })}`,
      undo: {
        ...deletion(target, 'deployment'),
        run: () => this.#request(lab, { method: 'DELETE', path: pathOf(target) }),
      },
    };
    return this.#actions.run(action, async () => {
      await this.#request(lab, { method: 'POST', path: pathOf({ ...target, name: '' }), body: deploymentOf(deploy) });
      if (port === undefined) return;
      const path = pathOf({ apiVersion: 'v1', resource: 'services', namespace, name: '' });
      await this.#request(lab, { method: 'POST', path, body: serviceOf(name, port) });
    });
  }

  scale(lab: string, target: ObjectName, kind: string, from: number, to: number): Promise<boolean> {
    const set = (replicas: number): Promise<unknown> =>
      this.#request(lab, {
        method: 'PATCH',
        path: `${pathOf(target)}/scale`,
        contentType: 'application/merge-patch+json',
        body: { spec: { replicas } },
      });
    const said = (replicas: number): Action => ({
      command: `kubectl scale ${kind} ${target.name} --replicas=${replicas}${inNamespace(target.namespace)}`,
      call: `PATCH ${pathOf(target)}/scale`,
    });
    return this.#actions.run({ ...said(to), undo: { ...said(from), run: () => set(from) } }, () => set(to));
  }

  /** What `kubectl rollout restart` does: a new annotation on the template makes a new revision. */
  restart(lab: string, target: ObjectName, kind: string, nowMs: number): Promise<boolean> {
    const annotations = { 'kubectl.kubernetes.io/restartedAt': new Date(nowMs).toISOString() };
    const action: Action = {
      command: `kubectl rollout restart ${kind} ${target.name}${inNamespace(target.namespace)}`,
      call: `PATCH ${pathOf(target)}`,
    };
    return this.#actions.run(action, () =>
      this.#request(lab, {
        method: 'PATCH',
        path: pathOf(target),
        contentType: 'application/strategic-merge-patch+json',
        body: { spec: { template: { metadata: { annotations } } } },
      }),
    );
  }

  remove(lab: string, target: ObjectName, kind: string): Promise<boolean> {
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', propagationPolicy: 'Background' };
    return this.#actions.run(deletion(target, kind), () =>
      this.#request(lab, { method: 'DELETE', path: pathOf(target), body }),
    );
  }

  /** Server-side apply of every document in `text`. Throws StatusError or YAML's own error before anything is sent. */
  async apply(lab: string, text: string, namespace: string): Promise<boolean> {
    const objects = parseObjects(text);
    const resources = await Promise.all(objects.map((object) => this.#resourceOf(lab, object)));
    const count =
      objects.length === 1 ? `${objects[0]?.kind} ${objects[0]?.metadata.name}` : `${objects.length} objects`;
    const action: Action = { command: 'kubectl apply --server-side -f -', call: `PATCH … (${count})` };
    return this.#actions.run(action, async () => {
      for (const [index, object] of objects.entries()) {
        const found = resources[index];
        if (!found) continue;
        const scope = found.namespaced ? { namespace: object.metadata.namespace ?? namespace } : {};
        const name = object.metadata.name ?? '';
        await this.#request(lab, {
          method: 'PATCH',
          path: pathOf({ apiVersion: object.apiVersion, resource: found.name, name, ...scope }),
          query: { fieldManager: 'drydock', force: 'true' },
          contentType: 'application/apply-patch+yaml',
          body: object,
        });
      }
    });
  }

  /** Asks discovery which resource a kind is. */
  async #resourceOf(lab: string, object: KubeObject): Promise<{ name: string; namespaced: boolean }> {
    const root = object.apiVersion.includes('/') ? '/apis' : '/api';
    const answer = (await this.#request(lab, { method: 'GET', path: `${root}/${object.apiVersion}` })) as {
      resources?: readonly { name: string; kind: string; namespaced: boolean }[];
    };
    const found = answer.resources?.find((one) => one.kind === object.kind && !one.name.includes('/'));
    if (!found) throw new StatusError('NotFound', `the server has no kind "${object.kind}" in "${object.apiVersion}"`);
    return found;
  }

  #request(lab: string, step: ApiStep): Promise<unknown> {
    return this.#actions.request(lab, step);
  }
}

/** Reads YAML (or JSON) documents. Throws StatusError BadRequest that says which document is wrong, and why. */
export function parseObjects(text: string): readonly KubeObject[] {
  const documents = parseAllDocuments(text);
  const found: KubeObject[] = [];
  for (const [index, document] of (Array.isArray(documents) ? documents : []).entries()) {
    const problem = document.errors[0];
    if (problem) throw new StatusError('BadRequest', problem.message.split('\n')[0] ?? problem.message);
    const value: unknown = document.toJS();
    if (value === null || value === undefined) continue;
    const { apiVersion, kind, metadata } = value as Partial<KubeObject>;
    if (typeof apiVersion !== 'string' || typeof kind !== 'string' || typeof metadata?.name !== 'string')
      throw new StatusError('BadRequest', `document ${index + 1} needs apiVersion, kind and metadata.name`);
    found.push(value as KubeObject);
  }
  if (found.length === 0) throw new StatusError('BadRequest', 'there is no object in this text');
  return found;
}

function deploymentOf({ namespace, name, image, replicas, port }: Deploy): unknown {
  const ports = port === undefined ? {} : { ports: [{ containerPort: port }] };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels: { app: name } },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: containerName(image), image, ...ports }] },
      },
    },
  };
}

/** As kubectl names it: the last part of the image, without tag or digest. */
function containerName(image: string): string {
  const last = image.split('/').at(-1) ?? image;
  return (last.split(/[:@]/)[0] ?? last).toLowerCase().replace(/[^a-z0-9-]+/g, '-') || 'main';
}

function serviceOf(name: string, port: number): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: { app: name } },
    spec: { selector: { app: name }, ports: [{ port, targetPort: port, protocol: 'TCP' }] },
  };
}

function deletion(target: ObjectName, kind: string): Action {
  return {
    command: `kubectl delete ${kind} ${target.name}${inNamespace(target.namespace)}`,
    call: `DELETE ${pathOf(target)}`,
  };
}

function inNamespace(namespace: string | undefined): string {
  return namespace && namespace !== 'default' ? ` -n ${namespace}` : '';
}

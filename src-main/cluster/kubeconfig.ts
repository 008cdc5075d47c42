import { existsSync, readFileSync } from 'node:fs';
import { parseDocument, stringify, type Document } from 'yaml';
import { messageOf } from '#base/errors';
import type { KeyPair } from './certificates.ts';
import { ClusterError } from './errors.ts';
import { writeFileAtomic } from './files.ts';

export interface KubeconfigFacts {
  /** Name of cluster, user and context: `drydock-<lab>`. */
  readonly name: string;
  readonly server: string;
  readonly caCertificate: string;
  readonly client: KeyPair;
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

interface NamedEntries {
  readonly clusters: { readonly name: string; readonly cluster: object };
  readonly users: { readonly name: string; readonly user: object };
  readonly contexts: { readonly name: string; readonly context: object };
}

function entriesOf(facts: KubeconfigFacts): NamedEntries {
  const { name, server, caCertificate, client } = facts;
  return {
    clusters: { name, cluster: { 'certificate-authority-data': base64(caCertificate), server } },
    users: {
      name,
      user: { 'client-certificate-data': base64(client.certificate), 'client-key-data': base64(client.key) },
    },
    contexts: { name, context: { cluster: name, user: name } },
  };
}

/** A whole kubeconfig (client-go's `clientcmd/api/v1` Config) with one context, which is current. */
export function renderKubeconfig(facts: KubeconfigFacts): string {
  const { clusters, users, contexts } = entriesOf(facts);
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [clusters],
    contexts: [contexts],
    'current-context': facts.name,
    preferences: {},
    users: [users],
  });
}

/**
 * Writes the lab's entry to `path`. A kubeconfig that is there keeps its other entries, comments and order; the lab's
 * context becomes current. Throws ClusterError INVALID, changing nothing, when the file is no kubeconfig.
 */
export function mergeKubeconfig(path: string, facts: KubeconfigFacts): void {
  if (!existsSync(path)) {
    writeFileAtomic(path, renderKubeconfig(facts));
    return;
  }
  const document = readKubeconfig(path);
  for (const [list, entry] of Object.entries(entriesOf(facts))) upsertNamed(document, list, entry as { name: string });
  document.set('current-context', facts.name);
  writeFileAtomic(path, document.toString());
}

/** Takes the lab's entry out of `path` again; leaves a file alone that does not have it. */
export function removeFromKubeconfig(path: string, name: string): void {
  if (!existsSync(path)) return;
  const document = readKubeconfig(path);
  let found = false;
  for (const list of ['clusters', 'users', 'contexts']) {
    const items = namedItems(document, list);
    const kept = items.filter((item) => item.name !== name);
    if (kept.length === items.length) continue;
    found = true;
    document.set(list, kept);
  }
  if (!found) return;
  if (document.get('current-context') === name) document.set('current-context', '');
  writeFileAtomic(path, document.toString());
}

function readKubeconfig(path: string): Document {
  try {
    const document = parseDocument(readFileSync(path, 'utf8'));
    const [error] = document.errors;
    if (error) throw error;
    if (document.contents === null)
      document.contents = parseDocument('apiVersion: v1\nkind: Config\n').contents as never;
    if (document.get('kind') !== 'Config') throw new Error('it is not of kind Config');
    return document;
  } catch (error) {
    throw new ClusterError(
      'INVALID',
      `${path} is not a kubeconfig (${messageOf(error)}); name another file with --kubeconfig`,
      { cause: error },
    );
  }
}

function namedItems(document: Document, list: string): { name: string }[] {
  const value: unknown = (document.toJS() as Record<string, unknown>)[list];
  return Array.isArray(value) ? (value as { name: string }[]) : [];
}

function upsertNamed(document: Document, list: string, entry: { name: string }): void {
  document.set(list, [...namedItems(document, list).filter((item) => item.name !== entry.name), entry]);
}

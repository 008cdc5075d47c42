import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Context } from '#base/context';
import { adminTransport } from '../harness/api.ts';
import { drydock, temporaryHome, TestLab } from '../harness/lab.ts';

interface ConfigMap {
  readonly metadata: { readonly name: string; readonly resourceVersion: string; readonly uid: string };
  readonly data?: Readonly<Record<string, string>>;
}

const collection = '/api/v1/namespaces/default/configmaps';

async function list(kubeconfig: string, resourceVersion?: string): Promise<readonly ConfigMap[]> {
  const query: Record<string, string> =
    resourceVersion === undefined ? {} : { resourceVersion, resourceVersionMatch: 'Exact' };
  const answer = await adminTransport(kubeconfig).request(Context.background(), {
    method: 'GET',
    path: collection,
    query,
  });
  return (answer as { readonly items: readonly ConfigMap[] }).items.filter(
    ({ metadata }) => metadata.name === 'counter',
  );
}

describe('a snapshot of a lab', () => {
  const other = temporaryHome();
  const folder = mkdtempSync(join(tmpdir(), 'drydock-snapshot-'));
  const file = join(folder, 'lab.drydock');
  let lab: TestLab;
  let restored: TestLab | undefined;

  beforeAll(async () => {
    lab = await TestLab.up(['--workers', '1']);
  });
  afterAll(async () => {
    await restored?.destroy();
    await lab.destroy();
    rmSync(other, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
  });

  it('is taken while the lab runs, and brings objects, revisions and history to another home', async () => {
    await lab.ok(['create', 'configmap', 'counter', '--from-literal=n=1']);
    const [first] = await list(lab.facts.kubeconfig);
    await lab.ok(['patch', 'configmap', 'counter', '-p', '{"data":{"n":"2"}}']);
    const before = await list(lab.facts.kubeconfig);
    const saved = await drydock(['snapshot', 'save', file, '--home', lab.home]);
    expect(saved.stderr).toContain('private keys');
    expect(saved.code).toBe(0);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['lab.drydock']);
    // The lab goes on: what comes now is not in the file.
    await lab.ok(['patch', 'configmap', 'counter', '-p', '{"data":{"n":"3"}}']);

    const answer = await drydock(['snapshot', 'restore', file, '--home', other]);
    expect(answer.stderr).toContain("lab lab is restored; 'drydock up --name lab' starts it");
    restored = await TestLab.up([], other);
    expect(restored.facts.server).not.toBe(lab.facts.server);
    expect(await list(restored.facts.kubeconfig)).toEqual(before);
    expect(before[0]?.data).toEqual({ n: '2' });
    const version = first?.metadata.resourceVersion ?? '';
    expect(await list(restored.facts.kubeconfig, version)).toEqual([first]);
    // Revisions go on where they were.
    await restored.ok(['patch', 'configmap', 'counter', '-p', '{"data":{"n":"4"}}']);
    const [after] = await list(restored.facts.kubeconfig);
    expect(Number(after?.metadata.resourceVersion)).toBeGreaterThan(Number(before[0]?.metadata.resourceVersion));
    const nodes = await restored.ok(['get', 'nodes', '-o', 'name']);
    expect(nodes.trim()).toBe('node/worker-1');
  });

  it('is taken while the lab is stopped, and restored beside it under another name', async () => {
    await lab.down();
    const second = join(folder, 'stopped.drydock');
    expect(await drydock(['snapshot', 'save', second, '--home', lab.home])).toMatchObject({ code: 0 });
    const taken = await drydock(['snapshot', 'restore', second, '--home', lab.home]);
    expect(taken).toMatchObject({ code: 1 });
    expect(taken.stderr.trim().split('\n').pop()).toContain('lab lab exists');
    expect(await drydock(['snapshot', 'restore', second, '--home', lab.home, '--name', 'again'])).toMatchObject({
      code: 0,
    });
    const shown = await drydock(['snapshot', 'show', second]);
    expect(shown.stdout).toContain('1 master, 1 worker (embedded)');
    const labs = JSON.parse((await drydock(['list', '--json', '--home', lab.home])).stdout) as { name: string }[];
    expect(labs.map(({ name }) => name)).toEqual(['again', 'lab']);
  });
});

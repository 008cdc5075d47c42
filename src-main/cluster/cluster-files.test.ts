import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { issueCertificate } from './certificates.ts';
import { Home } from './home.ts';
import { mergeKubeconfig, removeFromKubeconfig } from './kubeconfig.ts';
import { loadLabConfig, newLabConfig, saveLabConfig, withWorker } from './lab-config.ts';
import { loadOrCreatePki } from './pki.ts';

let folder = '';
const nowMs = Date.UTC(2026, 5, 1);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'drydock-cluster-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('pki', () => {
  it('signs what kubeadm signs, keeps it private and reads the same back', async () => {
    const pki = await loadOrCreatePki(folder, nowMs);
    const ca = new X509Certificate(pki.ca.certificate);
    const apiserver = new X509Certificate(pki.apiserver.certificate);
    const admin = new X509Certificate(pki.admin.certificate);
    expect(ca.ca).toBe(true);
    expect(apiserver.verify(ca.publicKey)).toBe(true);
    expect(apiserver.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(apiserver.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc');
    expect(apiserver.checkIP('172.30.0.2')).toBe('172.30.0.2');
    const toKubelets = new X509Certificate(pki.apiserverKubeletClient.certificate);
    expect(toKubelets.subject).toBe('O=kubeadm:cluster-admins\nCN=kube-apiserver-kubelet-client');
    expect(admin.subject).toBe('O=system:masters\nCN=kubernetes-admin');
    expect(admin.checkPrivateKey(createPrivateKey(pki.admin.key))).toBe(true);
    expect(new X509Certificate(pki.etcdServer.certificate).verify(ca.publicKey)).toBe(false);
    expect(statSync(join(folder, 'ca.key')).mode & 0o777).toBe(0o600);
    expect(await loadOrCreatePki(folder, nowMs)).toEqual(pki);
  });

  it('renews a certificate that is about to end and keeps the authority', async () => {
    const before = await loadOrCreatePki(folder, nowMs);
    const after = await loadOrCreatePki(folder, nowMs + 350 * 86_400_000);
    expect(after.ca).toEqual(before.ca);
    expect(after.apiserver).not.toEqual(before.apiserver);
  });

  it('makes a server certificate again that lacks an address', async () => {
    const before = await loadOrCreatePki(folder, nowMs);
    const old = { usage: 'server', commonName: 'kube-apiserver', dnsNames: [], ips: ['127.0.0.1'] } as const;
    const { certificate, key } = await issueCertificate(before.ca, old, nowMs);
    writeFileSync(join(folder, 'apiserver.crt'), certificate);
    writeFileSync(join(folder, 'apiserver.key'), key);
    const after = await loadOrCreatePki(folder, nowMs);
    expect(new X509Certificate(after.apiserver.certificate).checkIP('172.30.0.2')).toBe('172.30.0.2');
    expect(after.admin).toEqual(before.admin);
  });

  it('makes again what a crash left half written, but never an authority that has signed', async () => {
    writeFileSync(join(folder, 'ca.key'), 'the certificate was not written yet');
    const before = await loadOrCreatePki(folder, nowMs);
    rmSync(join(folder, 'admin.crt'));
    writeFileSync(join(folder, 'etcd-client.key'), before.admin.key);
    const after = await loadOrCreatePki(folder, nowMs);
    expect(after.ca).toEqual(before.ca);
    expect(after.apiserver).toEqual(before.apiserver);
    for (const pair of [after.admin, after.etcdClient]) {
      expect(new X509Certificate(pair.certificate).checkPrivateKey(createPrivateKey(pair.key))).toBe(true);
    }
    rmSync(join(folder, 'ca.crt'));
    await expect(loadOrCreatePki(folder, nowMs)).rejects.toThrow(/ca\.crt and \.key are damaged/);
  });

  it('names a damaged pair and leaves it', async () => {
    await loadOrCreatePki(folder, nowMs);
    writeFileSync(join(folder, 'ca.crt'), 'rubbish');
    await expect(loadOrCreatePki(folder, nowMs)).rejects.toMatchObject({
      code: 'HOME_DAMAGED',
      message: expect.stringContaining(join(folder, 'ca')),
    });
    expect(readFileSync(join(folder, 'ca.crt'), 'utf8')).toBe('rubbish');
  });
});

describe('kubeconfig', () => {
  const facts = {
    name: 'drydock-lab',
    server: 'https://127.0.0.1:6443',
    caCertificate: 'CA',
    client: { certificate: 'C', key: 'K' },
  };

  it('keeps the other entries and the comments of a file it adds to', () => {
    const path = join(folder, 'config');
    const before =
      'apiVersion: v1\nkind: Config\n# mine\nclusters:\n- name: other\n  cluster: {server: https://other}\nusers: []\ncontexts: []\ncurrent-context: other\n';
    writeFileSync(path, before);
    mergeKubeconfig(path, facts);
    const merged = parse(readFileSync(path, 'utf8')) as { clusters: { name: string }[]; 'current-context': string };
    expect(merged.clusters.map((one) => one.name)).toEqual(['other', 'drydock-lab']);
    expect(merged['current-context']).toBe('drydock-lab');
    expect(readFileSync(path, 'utf8')).toContain('# mine');
    mergeKubeconfig(path, facts);
    removeFromKubeconfig(path, 'drydock-lab');
    expect((parse(readFileSync(path, 'utf8')) as typeof merged).clusters.map((one) => one.name)).toEqual(['other']);
  });

  it('refuses a file that is no kubeconfig and leaves it', () => {
    const path = join(folder, 'config');
    writeFileSync(path, 'kind: Pod\n');
    expect(() => mergeKubeconfig(path, facts)).toThrow('is not a kubeconfig');
    expect(readFileSync(path, 'utf8')).toBe('kind: Pod\n');
  });
});

describe('lab config', () => {
  const wanted = { name: 'lab', driver: 'embedded', masters: 1, workers: 3, nowMs } as const;

  it('is read back as it was written', () => {
    const config = newLabConfig(wanted);
    saveLabConfig(folder, config);
    expect(loadLabConfig(folder)).toEqual(config);
    expect(config.workers.map((one) => one.name)).toEqual(['worker-1', 'worker-2', 'worker-3']);
    expect(new Set(config.workers.map((one) => one.ip)).size).toBe(3);
  });

  it('gives a new worker the first free name and address', () => {
    const config = newLabConfig(wanted);
    const without = { ...config, workers: config.workers.filter((one) => one.name !== 'worker-2') };
    expect(withWorker(without, {}).worker).toMatchObject({ name: 'worker-2', ip: config.workers[1]?.ip });
    expect(() => withWorker(config, { name: 'worker-1' })).toThrow('exists');
  });

  it('says what is wrong with a bad wish', () => {
    expect(() => newLabConfig({ ...wanted, name: 'Bad_Name' })).toThrow("'Bad_Name' cannot name a lab");
    expect(() => newLabConfig({ ...wanted, workers: 201 })).toThrow('201 workers');
    expect(() => newLabConfig({ ...wanted, apiPort: 70000 })).toThrow('API port 70000');
  });

  it('names a damaged file and leaves it', () => {
    writeFileSync(join(folder, 'lab.json'), '{"formatVersion":1}');
    expect(() => loadLabConfig(folder)).toThrow('lab.json is damaged');
    expect(readFileSync(join(folder, 'lab.json'), 'utf8')).toBe('{"formatVersion":1}');
  });
});

describe('home', () => {
  it('is held by one process at a time, and free again when that one is gone', () => {
    const home = new Home(folder);
    home.prepare();
    const held = home.lock();
    expect(() => new Home(folder).lock()).toThrow(`pid ${process.pid} is running on ${folder}`);
    held.release();
    writeFileSync(join(folder, 'host.lock'), `${process.pid} 1\n`);
    home.lock().release();
  });

  it.skipIf(process.platform !== 'linux')(
    'is free when its holder has ended, fetched by its parent or not',
    async () => {
      // The shell becomes a program that never asks what became of its child.
      const parent = spawn('sh', ['-c', 'sleep 0.2 & echo $!; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
      try {
        const [line] = (await once(parent.stdout, 'data')) as [Buffer];
        const pid = Number(line.toString());
        const stat = (): string[] => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ');
        const home = new Home(folder);
        home.prepare();
        writeFileSync(join(folder, 'host.lock'), `${pid} ${stat()[21] ?? ''}\n`);
        expect(home.holder()?.pid).toBe(pid);
        await expect.poll(() => stat()[2]).toBe('Z');
        expect(home.holder()).toBeUndefined();
        home.lock().release();
      } finally {
        parent.kill('SIGKILL');
      }
    },
  );
});

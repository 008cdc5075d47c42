import fc from 'fast-check';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { silentLogger } from '#base/logger';
import { EmbeddedEtcd } from '#etcd/embedded-etcd';
import { ClusterError } from '../errors.ts';
import { Home } from '../home.ts';
import { newLabConfig, saveLabConfig, type LabConfig } from '../lab-config.ts';
import { inspectSnapshot, restoreSnapshot } from './restore.ts';
import { saveSnapshot } from './save.ts';

const context = Context.background();
const nothing = (): void => undefined;
const clock = new SteppedClock();

describe('a snapshot of a stopped lab', () => {
  const root = mkdtempSync(join(tmpdir(), 'drydock-snapshots-'));
  const folder = join(root, 'saved');
  const file = join(root, 'lab.drydock');
  const config: LabConfig = {
    ...newLabConfig({ name: 'lab', driver: 'embedded', masters: 1, workers: 2, nowMs: 0 }),
    ...{
      apiPort: 46_443,
      etcdPort: 42_379,
      kubeconfigs: ['/home/jane/.kube/config'],
      docker: { subnet: '172.20.0.0/16' },
    },
  };

  beforeAll(async () => {
    const path = join(folder, 'etcd');
    const etcd = await EmbeddedEtcd.open({ path, clock, logger: silentLogger, retention: 'none' });
    for (let i = 0; i < 40; i++) {
      const value = Buffer.alloc(500, i);
      await etcd.txn(context, { compare: [], success: [{ type: 'put', key: `/k/${i % 7}`, value }], failure: [] });
    }
    await etcd.close();
    mkdirSync(join(folder, 'pki'));
    writeFileSync(join(folder, 'pki', 'ca.key'), 'a private key\n');
    writeFileSync(join(folder, 'pki', '.half.tmp'), 'on its way');
    saveLabConfig(folder, config);
    const version = '0.1.0';
    await saveSnapshot(context, { config, folder, file, version, clock, running: undefined, onSteps: nothing });
  });
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const newHome = (): Home => new Home(mkdtempSync(join(root, 'home-')));
  const digest = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');
  const contents = (lab: string): string[] => [
    digest(join(lab, 'etcd', 'data.mdb')),
    readFileSync(join(lab, 'pki', 'ca.key'), 'utf8'),
  ];

  it('has all of it, and becomes a lab with its own ports, networks and kubeconfigs', async () => {
    const home = newHome();
    saveLabConfig(home.labFolder('other'), { ...config, name: 'other' });
    const restored = await restoreSnapshot(context, { home, file, name: 'again', onSteps: nothing });
    expect(restored).toMatchObject({ name: 'again', apiPort: 0, etcdPort: 0, kubeconfigs: [] });
    expect(restored.docker).toBeUndefined();
    expect(restored.workers).toEqual(config.workers);
    const lab = home.labFolder('again');
    expect(readdirSync(join(lab, 'pki'))).toEqual(['ca.key']);
    const etcd = await EmbeddedEtcd.open({ path: join(lab, 'etcd'), clock, logger: silentLogger });
    const { kvs, revision } = await etcd.range(context, { key: '\0', rangeEnd: '\0' });
    await etcd.close();
    expect(revision).toBe(41);
    expect(kvs.map(({ key, version }) => [key, version])).toContainEqual(['/k/6', 5]);
    expect(await inspectSnapshot(file)).toMatchObject({ lab: 'lab', workers: 2, version: '0.1.0' });
  });

  it('replaces neither a lab nor a file', async () => {
    const home = newHome();
    await restoreSnapshot(context, { home, file, onSteps: nothing });
    const again = restoreSnapshot(context, { home, file, onSteps: nothing });
    await expect(again).rejects.toMatchObject({ code: 'LAB_EXISTS' });
    const options = { config, folder, file, version: '0.1.0', clock, running: undefined, onSteps: nothing };
    await expect(saveSnapshot(context, options)).rejects.toThrow('exists; name a file');
  });

  it('of a lab on a real etcd is not made, and leaves nothing', async () => {
    const target = join(root, 'real.drydock');
    const running = { store: { kind: 'external' as const } };
    const options = { config, folder, file: target, version: '0.1.0', clock, running, onSteps: nothing };
    await expect(saveSnapshot(context, options)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(readdirSync(root).filter((name) => name.startsWith('real'))).toEqual([]);
  });

  it('that is damaged anywhere is refused or restored as it was, and leaves nothing half-made', async () => {
    const whole = readFileSync(file);
    const home = newHome();
    home.prepare();
    const bad = join(root, 'bad.drydock');
    const lab = home.labFolder('bad');
    await restoreSnapshot(context, { home, file, name: 'good', onSteps: nothing });
    const good = contents(home.labFolder('good'));
    const attempt = async (): Promise<unknown> => {
      try {
        await restoreSnapshot(context, { home, file: bad, name: 'bad', onSteps: nothing });
        return undefined;
      } catch (error) {
        return error;
      }
    };
    // The head, where a tar has most of its structure, as often as the rest.
    const place = fc.oneof(fc.integer({ min: 0, max: 4096 }), fc.integer({ min: 0, max: whole.length - 1 }));
    await fc.assert(
      fc.asyncProperty(place, fc.integer({ min: 0, max: 7 }), fc.boolean(), async (at, bit, cut) => {
        const bytes = Buffer.from(cut ? whole.subarray(0, at) : whole);
        if (!cut) bytes.writeUInt8(whole.readUInt8(at) ^ (1 << bit), at);
        writeFileSync(bad, bytes);
        const error = await attempt();
        if (error === undefined) expect(contents(lab)).toEqual(good);
        else {
          expect(error).toBeInstanceOf(ClusterError);
          expect(error).toMatchObject({ code: 'INVALID', message: expect.stringContaining(bad) as string });
          expect(String(error)).not.toContain('\n');
          expect(existsSync(lab)).toBe(false);
        }
        rmSync(lab, { recursive: true, force: true });
        expect(readdirSync(home.path)).toEqual(['labs']);
      }),
      { seed: 11, numRuns: 60 },
    );
  }, 60_000);

  it('of a newer Drydock, or that is something else, is refused by its name', async () => {
    const [home, bad] = [newHome(), join(root, 'other.drydock')];
    const restore = (): Promise<unknown> => restoreSnapshot(context, { home, file: bad, onSteps: nothing });
    await expect(restore()).rejects.toThrow('cannot be read');
    writeFileSync(bad, 'something else');
    await expect(restore()).rejects.toThrow('is no snapshot of a Drydock lab');
    writeFileSync(bad, withManifest(readFileSync(file), '"formatVersion": 1', '"formatVersion": 2'));
    await expect(restore()).rejects.toThrow('was made by Drydock 0.1.0 in format 2');
    writeFileSync(bad, withManifest(readFileSync(file), '"pki/ca.key"', '"../ca.keys"'));
    await expect(restore()).rejects.toThrow('is damaged (it has the file ../ca.keys)');
  });
});

/** Changes the manifest and its checksum, as another Drydock would have written both. */
function withManifest(bytes: Buffer, old: string, wanted: string): Buffer {
  // A tar's header says the size of the entry behind it in octal.
  const end = 512 + parseInt(bytes.toString('latin1', 124, 135), 8);
  const manifest = bytes.toString('utf8', 512, end);
  expect(manifest).toContain(old);
  const changed = manifest.replace(old, wanted);
  const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
  const at = bytes.indexOf(sha256(manifest));
  bytes.write(changed, 512);
  bytes.write(sha256(changed), at);
  return bytes;
}

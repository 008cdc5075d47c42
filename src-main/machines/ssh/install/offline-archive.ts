import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Context } from '#base/context';
import { MachineError } from '../../errors.ts';
import type { MachineFacts } from '../facts.ts';

const run = promisify(execFile);

const architectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' };

/**
 * A tar of the Debian packages that a machine lacks, fetched by this computer's apt from this computer's mirrors. `status` is the
 * machine's own list of packages, so that exactly what it lacks comes, in versions that fit. Throws MachineError UNSUPPORTED where
 * this computer is not of the same release.
 */
export async function makeOfflineArchive(
  context: Context,
  facts: Pick<MachineFacts, 'osCodename' | 'architecture' | 'packageManager'>,
  status: string,
  packages: readonly string[],
): Promise<Uint8Array> {
  const release = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const codename = /^VERSION_CODENAME=(.*)$/m.exec(release)?.[1] ?? '';
  if (facts.packageManager !== 'apt' || codename === '' || codename !== facts.osCodename)
    throw new MachineError(
      'UNSUPPORTED',
      `this computer cannot fetch packages of ${facts.osCodename || 'that system'}`,
    );
  const folder = await mkdtemp(join(tmpdir(), 'drydock-packages-'));
  try {
    for (const path of ['lists/partial', 'cache/archives/partial'])
      await mkdir(join(folder, path), { recursive: true });
    await writeFile(join(folder, 'status'), status);
    await writeFile(join(folder, 'extended_states'), '');
    const { signal } = context;
    const settings = [
      `Dir::State::status=${folder}/status`,
      `Dir::State::extended_states=${folder}/extended_states`,
      `Dir::State::lists=${folder}/lists`,
      `Dir::Cache=${folder}/cache`,
      `APT::Architecture=${architectures[facts.architecture] ?? facts.architecture}`,
      `APT::Sandbox::User=${process.env['USER'] ?? 'root'}`,
      'Debug::NoLocking=1',
    ].flatMap((setting) => ['-o', setting]);
    const get = (...args: readonly string[]): Promise<unknown> =>
      run('apt-get', ['-q', '-y', ...settings, ...args], { signal, env: { ...process.env, LC_ALL: 'C' } });
    await get('update');
    await get('install', '--download-only', '--no-install-recommends', ...packages);
    const tar = join(folder, 'packages.tar');
    await run('tar', ['-cf', tar, '-C', join(folder, 'cache/archives'), '--exclude=partial', '--exclude=lock', '.'], {
      signal,
    });
    return await readFile(tar);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';

/** A certificate (chain) and its private key, both PEM. */
export interface CertificateAndKey {
  readonly certificate: string;
  readonly key: string;
}

/** How many files of earlier certificates are kept beside the current one. */
const keptFiles = 2;

/**
 * One rotating certificate in a folder (client-go `util/certificate` FileStore, release 1.36): a file a certificate, and
 * `<pair>-current.pem`, a link that is switched to the newest at once.
 */
export class CertificateStore {
  readonly #folder: string;
  readonly #pair: string;

  constructor(folder: string, pair: string) {
    this.#folder = folder;
    this.#pair = pair;
  }

  get currentPath(): string {
    return join(this.#folder, `${this.#pair}-current.pem`);
  }

  /** Undefined when there is none, or a file that is no certificate with a key. */
  read(): CertificateAndKey | undefined {
    if (!existsSync(this.currentPath)) return undefined;
    const text = readFileSync(this.currentPath, 'utf8');
    const blocks = text.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----\n?/g) ?? [];
    const certificate = blocks.filter((block) => block.includes('BEGIN CERTIFICATE')).join('');
    const key = blocks.find((block) => block.includes('PRIVATE KEY'));
    return certificate && key ? { certificate, key } : undefined;
  }

  write({ certificate, key }: CertificateAndKey, nowMs: number): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const stamp = new Date(nowMs).toISOString().replace('T', '-').replaceAll(':', '-').slice(0, 19);
    const path = join(this.#folder, `${this.#pair}-${stamp}.pem`);
    writeFileSync(path, certificate + key, { mode: 0o600 });
    chmodSync(path, 0o600);
    const link = `${this.currentPath}.new`;
    rmSync(link, { force: true });
    symlinkSync(basename(path), link);
    renameSync(link, this.currentPath);
    this.#removeOld();
  }

  #removeOld(): void {
    const files = readdirSync(this.#folder).filter(
      (name) => /-\d{4}-[\d-]+\.pem$/.test(name) && name.startsWith(`${this.#pair}-`),
    );
    for (const name of files.sort().slice(0, -1 - keptFiles)) rmSync(join(this.#folder, name), { force: true });
  }
}

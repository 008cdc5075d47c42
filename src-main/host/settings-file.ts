import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { defaultSettings, type Settings } from '#contract/settings';

/** A person's choices in one JSON file. A file that is missing or damaged means the defaults: nothing of value is lost. */
export class SettingsFile {
  readonly #path: string;
  #settings: Promise<Settings> | undefined;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  get(): Promise<Settings> {
    this.#settings ??= this.#read();
    return this.#settings;
  }

  /** Resolves with all settings once they are on disk. */
  async set(change: Partial<Settings>): Promise<Settings> {
    const next = { ...(await this.get()), ...change };
    this.#settings = Promise.resolve(next);
    const previous = this.#lastWrite;
    this.#lastWrite = previous.then(
      () => this.#write(next),
      () => this.#write(next),
    );
    await this.#lastWrite;
    return next;
  }

  async #read(): Promise<Settings> {
    try {
      const stored: unknown = JSON.parse(await readFile(this.#path, 'utf8'));
      return typeof stored === 'object' && stored !== null ? merge(stored) : defaultSettings;
    } catch (error) {
      if (error instanceof SyntaxError || (error as { code?: unknown }).code === 'ENOENT') return defaultSettings;
      throw error;
    }
  }

  async #write(settings: Settings): Promise<void> {
    await mkdir(dirname(this.#path), { recursive: true });
    await writeFile(`${this.#path}.new`, `${JSON.stringify(settings, undefined, 2)}\n`, { mode: 0o600 });
    await rename(`${this.#path}.new`, this.#path);
  }
}

/** Takes the fields that are known and have the right type. */
function merge(stored: object): Settings {
  const known = Object.entries(defaultSettings).map(([key, fallback]) => {
    const value = (stored as Readonly<Record<string, unknown>>)[key];
    return [key, typeof value === typeof fallback ? value : fallback];
  });
  return Object.fromEntries(known) as Settings;
}

import { readFile, stat } from 'node:fs/promises';
import { extname, join, normalize, sep } from 'node:path';

/**
 * No script, style, image or connection but the app's own. Svelte sets style properties through the DOM, which the policy
 * allows, and writes no style attribute in markup that it would not.
 */
export const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
  '.json': 'application/json; charset=utf-8',
};

export interface RendererFile {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** The built UI in `folder`, and nothing outside it. */
export class RendererFiles {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = normalize(folder);
  }

  /** `urlPath` is percent-encoded and begins with `/`. Undefined when there is no such file, or it lies outside. */
  async get(urlPath: string): Promise<RendererFile | undefined> {
    let decoded: string;
    try {
      decoded = decodeURIComponent(urlPath);
    } catch {
      return undefined; // Malformed percent-encoding names no file.
    }
    if (decoded.includes('\0') || decoded.includes('\\')) return undefined;
    const path = normalize(join(this.#folder, decoded === '/' ? 'index.html' : decoded));
    if (!path.startsWith(this.#folder + sep)) return undefined;
    const contentType = contentTypes[extname(path)];
    if (contentType === undefined || !(await isFile(path))) return undefined;
    const immutable = decoded.startsWith('/assets/');
    return {
      headers: {
        'content-type': contentType,
        'cache-control': immutable ? 'public, max-age=31536000, immutable' : 'no-store',
        'content-security-policy': contentSecurityPolicy,
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'cross-origin-opener-policy': 'same-origin',
        'cross-origin-resource-policy': 'same-origin',
      },
      body: await readFile(path),
    };
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT' || (error as { code?: unknown }).code === 'ENOTDIR')
      return false;
    throw error;
  }
}

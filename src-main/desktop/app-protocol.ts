import { protocol } from 'electron';
import { appOrigin } from '#contract/frames';
import { RendererFiles } from '#host/renderer-files';

const scheme = new URL(appOrigin).protocol.slice(0, -1);

/** Before the app is ready: the scheme is a real origin, so that the content security policy's 'self' means something. */
export function registerAppScheme(): void {
  protocol.registerSchemesAsPrivileged([
    { scheme, privileges: { standard: true, secure: true, supportFetchAPI: true } },
  ]);
}

/** Serves the built renderer, and nothing else, under `drydock://app/`. */
export function serveAppScheme(rendererFolder: string): void {
  const files = new RendererFiles(rendererFolder);
  protocol.handle(scheme, async (request) => {
    const url = new URL(request.url);
    const file = url.host === new URL(appOrigin).host ? await files.get(url.pathname) : undefined;
    if (!file) return new Response('Not found.\n', { status: 404 });
    return new Response(file.body, { headers: file.headers });
  });
}

import { messageOf } from '#base/errors';
import type { ApiResponse } from '../request.ts';
import { isTrue } from '../http/request-info.ts';

/** One thing that must hold for the server to be well. */
export interface HealthCheck {
  /** For example `etcd`; its own path is `/livez/etcd`. */
  readonly name: string;
  /** Throws when it does not hold. */
  readonly check: () => Promise<void> | void;
}

export type HealthPath = 'healthz' | 'livez' | 'readyz';

/**
 * Answers `/healthz`, `/livez`, `/readyz` and the checks below them (`healthz` of k8s.io/apiserver, release 1.36): the one word
 * `ok`, or with `?verbose`, and whenever a check fails, a line a check. Undefined when the path names no check.
 */
export async function answerHealth(
  path: HealthPath,
  checkName: string,
  query: URLSearchParams,
  checks: readonly HealthCheck[],
): Promise<ApiResponse | undefined> {
  if (checkName !== '') {
    const named = checks.find(({ name }) => name === checkName);
    if (!named) return undefined;
    const failure = await failureOf(named);
    return failure === undefined ? text(200, 'ok') : text(500, `internal server error: ${failure}\n`);
  }
  const excluded = new Set(query.getAll('exclude'));
  const lines: string[] = [];
  let failed = false;
  for (const check of checks) {
    if (excluded.delete(check.name)) {
      lines.push(`[+]${check.name} excluded: ok`);
      continue;
    }
    const bad = (await failureOf(check)) !== undefined;
    failed ||= bad;
    // The reason is for the server's own log: anybody may read this page.
    lines.push(bad ? `[-]${check.name} failed: reason withheld` : `[+]${check.name} ok`);
  }
  if (excluded.size > 0)
    lines.push(
      `warn: some health checks cannot be excluded: no matches for ${[...excluded].map((name) => JSON.stringify(name)).join(', ')}`,
    );
  if (failed) return text(500, `${lines.join('\n')}\n${path} check failed\n`);
  return text(200, isTrue(query.get('verbose')) ? `${lines.join('\n')}\n${path} check passed\n` : 'ok');
}

async function failureOf({ check }: HealthCheck): Promise<string | undefined> {
  try {
    await check();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function text(status: number, body: string): ApiResponse {
  return {
    kind: 'text',
    status,
    contentType: 'text/plain; charset=utf-8',
    text: body,
    headers: { 'x-content-type-options': 'nosniff' },
  };
}

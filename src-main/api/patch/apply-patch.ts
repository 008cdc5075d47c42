import type { KubeObject } from '../machinery/object.ts';
import { StatusError } from '../machinery/status.ts';
import { applyJsonPatch, PatchError } from './json-patch.ts';
import { applyMergePatch, isObject } from './merge-patch.ts';
import { applyStrategicPatch } from './strategic.ts';

export type PatchKind = 'json' | 'merge' | 'strategic' | 'apply';

const mediaTypes: Readonly<Record<string, PatchKind>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

/** The patch kinds in the order kube-apiserver names them when it refuses another. */
export const patchMediaTypes: readonly string[] = Object.keys(mediaTypes);

/**
 * The object after a JSON, merge or strategic patch; not yet decoded: give it to `decodeObject`. Throws StatusError:
 * BadRequest for a body that is no patch, Invalid (422) for one that does not apply to this object (upstream does not say why; `cause` does).
 */
export function applyPatch(
  kind: Exclude<PatchKind, 'apply'>,
  object: KubeObject,
  patch: unknown,
  schema: string,
): unknown {
  const wanted = kind === 'json' ? Array.isArray(patch) : isObject(patch);
  if (!wanted) {
    const expected = kind === 'json' ? 'a list of operations' : 'an object';
    throw new StatusError('BadRequest', `error decoding patch: expected ${expected}`);
  }
  try {
    if (kind === 'json') return applyJsonPatch(object, patch);
    if (kind === 'merge') return applyMergePatch(object, patch);
    return applyStrategicPatch(object as unknown as Readonly<Record<string, unknown>>, patch, schema);
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    throw new StatusError(
      'Invalid',
      'the server rejected our request due to an error in our request',
      {},
      { cause: error },
    );
  }
}

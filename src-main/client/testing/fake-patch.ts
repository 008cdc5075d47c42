import { StatusError } from '#api/machinery/status';
import { jsonEqual } from '#base/freeze';

type Json = unknown;

/** RFC 7386. */
export function mergePatch(target: Json, patch: Json): Json {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const base = typeof target === 'object' && target !== null && !Array.isArray(target) ? target : {};
  const out: Record<string, Json> = { ...(base as Record<string, Json>) };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete out[key];
    else out[key] = mergePatch(out[key], value);
  }
  return out;
}

/** RFC 6902 with the operations add, remove, replace and test. */
export function jsonPatch(target: Json, patch: Json): Json {
  if (!Array.isArray(patch)) throw new StatusError('BadRequest', 'a JSON patch is a list of operations');
  let out = target;
  for (const { op, path, value } of patch as readonly { op: string; path: string; value?: Json }[]) {
    const steps = path
      .split('/')
      .slice(1)
      .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    out = change(out, steps, op, value);
  }
  return out;
}

function change(at: Json, steps: readonly string[], op: string, value: Json): Json {
  const [step, ...rest] = steps;
  if (step === undefined) {
    if (op === 'test' && !jsonEqual(at, value)) throw new StatusError('Invalid', 'the test of a JSON patch failed');
    return op === 'test' ? at : value;
  }
  if (Array.isArray(at)) {
    const copy = [...at];
    const index = step === '-' ? copy.length : Number(step);
    if (rest.length > 0 || op === 'test') copy[index] = change(copy[index], rest, op, value);
    else copy.splice(index, op === 'add' ? 0 : 1, ...(op === 'remove' ? [] : [value]));
    return copy;
  }
  if (typeof at !== 'object' || at === null) throw new StatusError('Invalid', `nothing to ${op} at ${step}`);
  const out = { ...(at as Record<string, Json>) };
  if (rest.length === 0 && op === 'remove') delete out[step];
  else out[step] = change(out[step], rest, op, value);
  return out;
}

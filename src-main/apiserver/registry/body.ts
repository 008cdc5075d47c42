import type { KubeObject } from '#api/machinery/object';
import { StatusError } from '#api/machinery/status';
import { badRequest } from '../storage/errors.ts';

/** A JSON object that claims to be of `kind`; both names may be left out. Throws BadRequest. */
export function readBody(body: unknown, apiVersion: string, kind: string): KubeObject {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw badRequest(`the object provided is unrecognized (must be of type ${kind}): the body is no JSON object`);
  }
  const object = body as Partial<KubeObject>;
  const bodyKind = object.kind || kind;
  const bodyVersion = object.apiVersion || apiVersion;
  if (bodyKind !== kind) {
    throw badRequest(
      `${bodyKind} in version ${JSON.stringify(bodyVersion.replace(/^.*\//, ''))} cannot be handled as a ${kind}`,
    );
  }
  if (bodyVersion !== apiVersion) {
    throw badRequest(
      `the API version in the data (${bodyVersion}) does not match the expected API version (${apiVersion})`,
    );
  }
  const { metadata = {} } = object;
  if (typeof metadata !== 'object' || metadata === null) {
    throw badRequest(
      `${kind} in version ${JSON.stringify(apiVersion)} cannot be handled as a ${kind}: metadata is no object`,
    );
  }
  return { ...object, apiVersion, kind, metadata };
}

export type PatchFormat = 'json' | 'merge' | 'strategic' | 'apply';

const patchFormats: Readonly<Record<string, PatchFormat>> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
};

export function patchFormat(contentType: string): PatchFormat {
  const format = patchFormats[contentType];
  if (format) return format;
  const accepted = Object.keys(patchFormats).join(', ');
  throw new StatusError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted}`,
  );
}

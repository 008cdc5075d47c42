import type { Volume } from '#api/gen/types';
import { isDns1123Label } from '../machinery/names.ts';
import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from './errors.ts';
import { byName, each } from './metadata.ts';

/** Rules of pod volumes (`pkg/apis/core/validation`, release 1.36). */

const hostPathTypes = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

function validateSource(volume: Volume, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const sources = Object.keys(volume).filter((key) => key !== 'name');
  if (sources.length === 0) errors.push(required(path, 'must specify a volume type'));
  for (const extra of sources.slice(1))
    errors.push(forbidden(`${path}.${extra}`, 'may not specify more than 1 volume type'));
  const { hostPath, secret, configMap, persistentVolumeClaim } = volume;
  if (hostPath) {
    if (!hostPath.path) errors.push(required(`${path}.hostPath.path`));
    else if (hostPath.path.split('/').includes('..')) {
      errors.push(invalid(`${path}.hostPath.path`, hostPath.path, "must not contain '..'"));
    }
    if (hostPath.type !== undefined && !hostPathTypes.includes(hostPath.type)) {
      errors.push(notSupported(`${path}.hostPath.type`, hostPath.type, hostPathTypes));
    }
  }
  if (secret && !secret.secretName) errors.push(required(`${path}.secret.secretName`));
  if (configMap && !configMap.name) errors.push(required(`${path}.configMap.name`));
  if (persistentVolumeClaim && !persistentVolumeClaim.claimName)
    errors.push(required(`${path}.persistentVolumeClaim.claimName`));
  for (const [name, source] of [['secret', secret] as const, ['configMap', configMap] as const]) {
    const mode = source?.defaultMode;
    if (mode !== undefined && (mode < 0 || mode > 0o777)) {
      errors.push(
        invalid(`${path}.${name}.defaultMode`, mode, 'must be a number between 0 and 0777 (octal), both inclusive'),
      );
    }
    errors.push(...each(source?.items, `${path}.${name}.items`, (item, at) => validateItem(item, at)));
  }
  return errors;
}

function validateItem(item: { readonly key: string; readonly path: string }, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!item.key) errors.push(required(`${path}.key`));
  if (!item.path) errors.push(required(`${path}.path`));
  else if (item.path.startsWith('/')) errors.push(invalid(`${path}.path`, item.path, 'must be a relative path'));
  else if (item.path.split('/').includes('..'))
    errors.push(invalid(`${path}.path`, item.path, "must not contain '..'"));
  return errors;
}

export function validateVolumes(volumes: readonly Volume[] | undefined, path: string): FieldError[] {
  const names = new Set<string>();
  return each(volumes, path, (volume, at) => {
    const errors = validateSource(volume, at);
    if (!volume.name) errors.push(required(`${at}.name`));
    else {
      errors.push(...byName(isDns1123Label, volume.name, `${at}.name`));
      if (names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name));
      names.add(volume.name);
    }
    return errors;
  });
}

import { StatusError } from '#api/machinery/status';
import type { ObjectEditor } from './patching.ts';

/** Bodies are taken as they are; patches are not served. */
export const schemaEditor: ObjectEditor = {
  decode: (_served, object) => ({ object, warnings: [] }),
  patch: () => {
    throw new StatusError('UnsupportedMediaType', 'patches are not served');
  },
  apply: () => {
    throw new StatusError('UnsupportedMediaType', 'apply patches are not served');
  },
  track: (_served, next) => next,
};

import { Backend } from './backend/backend.ts';
import { dataFile } from './backend/environment.ts';

/** The data file of a store in the folder `path`. */
export const storeFile = dataFile;

/** Copies a store that nobody has open, to the new folder `folder`. Throws EtcdError CORRUPT, NO_SPACE or UNAVAILABLE. */
export async function copyClosedStore(path: string, folder: string): Promise<void> {
  const backend = await Backend.open(path, () => undefined);
  try {
    await backend.copyTo(folder);
  } finally {
    await backend.close();
  }
}

/** Whether a store can be opened: throws EtcdError CORRUPT when its data file is damaged or is something else. */
export async function checkClosedStore(path: string): Promise<void> {
  const backend = await Backend.open(path, () => undefined);
  await backend.close();
}

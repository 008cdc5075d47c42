import type { LabDriver } from './labs.ts';

/** What the app remembers of a person's choices, for both hosts, in the home. */
export interface Settings {
  readonly theme: 'system' | 'light' | 'dark';
  /** Of the panel on the right. */
  readonly panelWidthPx: number;
  readonly panelTab: string;
  /** The lab that was open last; empty for none. */
  readonly lab: string;
  /** What the create dialog offers first. */
  readonly masters: number;
  readonly workers: number;
  readonly driver: LabDriver;
  /** Of each Docker worker. */
  readonly nodeCpus: number;
  readonly nodeMemoryMib: number;
  /** For how long a fault lasts. */
  readonly faultSeconds: number;
  /** Of the store's page: which view, how wide it is beside the key, and the prefix that is looked at. */
  readonly storeView: string;
  readonly storePaneWidthPx: number;
  readonly storePrefix: string;
}

export const defaultSettings: Settings = {
  theme: 'system',
  panelWidthPx: 372,
  panelTab: 'timeline',
  lab: '',
  masters: 1,
  workers: 3,
  driver: 'embedded',
  nodeCpus: 2,
  nodeMemoryMib: 2048,
  faultSeconds: 120,
  storeView: 'keys',
  storePaneWidthPx: 460,
  storePrefix: '/registry/',
};

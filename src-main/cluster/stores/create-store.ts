import { RealClock, type Clock } from '#base/clock';
import type { Logger } from '#base/logger';
import type { Random } from '#base/random';
import type { LabConfig } from '../lab-config.ts';
import type { ClusterPki } from '../pki.ts';
import { freePort } from '../ports.ts';
import { EmbeddedStore } from './embedded-store.ts';
import { ExternalStore } from './external-store.ts';
import { labIdentity } from './lab-marker.ts';
import type { LabStore } from './lab-store.ts';
import { LocalStore } from './local-store.ts';
import type { MemberPorts, StoreConfig } from './store-config.ts';

export interface CreateStoreOptions {
  readonly config: LabConfig;
  readonly folder: string;
  /** The master that an embedded store lives with. */
  readonly master: string;
  readonly pki: ClusterPki;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/** What `lab.json` says the lab keeps its objects in. Throws ClusterError. */
export function createStore(options: CreateStoreOptions): LabStore {
  const { config, folder, master, pki, clock, random, logger } = options;
  const { store } = config;
  if (!store) return new EmbeddedStore({ master, folder, port: config.etcdPort, pki, clock, logger });
  // Other programs live in real time, whatever the lab's clock says.
  const real = new RealClock();
  if (store.kind === 'local')
    return new LocalStore({ lab: config.name, folder, ports: store.ports, pki, clock: real, random, logger });
  const lab = labIdentity(config.name, pki.ca.certificate);
  return new ExternalStore({ lab, access: store, clock: real, random, logger });
}

const firstClientPort = 12_379;
const firstPeerPort = 12_380;

/** The ports of local members: chosen once, as they know each other by them. */
export async function chooseStorePorts(store: StoreConfig): Promise<StoreConfig> {
  if (store.kind !== 'local' || store.ports.length === store.members) return store;
  const ports: MemberPorts[] = [];
  const taken = new Set<number>();
  const choose = async (wanted: number): Promise<number> => {
    let port = await freePort(wanted);
    while (taken.has(port)) port = await freePort(0);
    taken.add(port);
    return port;
  };
  for (let i = 0; i < store.members; i++)
    ports.push({ client: await choose(firstClientPort + 10 * i), peer: await choose(firstPeerPort + 10 * i) });
  return { ...store, ports };
}

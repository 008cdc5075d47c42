import type { CoreV1Event, EventsV1Event } from '#api/gen/types';
import { isDns1123Subdomain } from '../machinery/names.ts';
import { eventsV1Columns } from '../printers/cluster.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

/** Keys of `Event` that have another name in each API; every other key is spelled alike. */
const renamed: readonly (readonly [events: keyof EventsV1Event, core: keyof CoreV1Event])[] = [
  ['note', 'message'],
  ['regarding', 'involvedObject'],
  ['reportingController', 'reportingComponent'],
  ['deprecatedSource', 'source'],
  ['deprecatedFirstTimestamp', 'firstTimestamp'],
  ['deprecatedLastTimestamp', 'lastTimestamp'],
  ['deprecatedCount', 'count'],
];

function rename(object: object, names: ReadonlyMap<string, string>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [names.get(key) ?? key, value]));
}

const toCoreNames = new Map<string, string>(renamed);
const toEventsNames = new Map<string, string>(renamed.map(([events, core]) => [core, events]));

/** The v1 form of an events.k8s.io Event: the form both are stored in. */
export function toCoreEvent(event: EventsV1Event): CoreV1Event {
  const { apiVersion, kind, metadata, ...rest } = event;
  const renamedRest = rename(rest, toCoreNames) as Partial<CoreV1Event>;
  return { kind, apiVersion: apiVersion && 'v1', metadata, involvedObject: {}, ...renamedRest };
}

export function toEventsV1(event: CoreV1Event): EventsV1Event {
  const { apiVersion, kind, metadata, ...rest } = event;
  const renamedRest = rename(rest, toEventsNames) as Partial<EventsV1Event>;
  return {
    kind,
    apiVersion: apiVersion && 'events.k8s.io/v1',
    metadata,
    eventTime: undefined as never,
    ...renamedRest,
  };
}

export const eventResources: readonly ResourceDefinition[] = [
  define<EventsV1Event>({
    group: 'events.k8s.io',
    version: 'v1',
    kind: 'Event',
    plural: 'events',
    shortNames: ['ev'],
    allowCreateOnUpdate: true,
    checkName: isDns1123Subdomain,
    storedAs: {
      toStored: toCoreEvent,
      fromStored: (stored) => toEventsV1(stored as CoreV1Event),
    },
    fields: {
      'regarding.kind': (event) => event.regarding?.kind,
      'regarding.namespace': (event) => event.regarding?.namespace,
      'regarding.name': (event) => event.regarding?.name,
      'regarding.uid': (event) => event.regarding?.uid,
      'regarding.apiVersion': (event) => event.regarding?.apiVersion,
      'regarding.resourceVersion': (event) => event.regarding?.resourceVersion,
      'regarding.fieldPath': (event) => event.regarding?.fieldPath,
      reason: (event) => event.reason,
      reportingController: (event) => event.reportingController,
      type: (event) => event.type,
    },
    columns: eventsV1Columns(toCoreEvent),
  }),
];

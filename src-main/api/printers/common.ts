import type { PodTemplateSpec } from '#api/gen/types';
import type { KubeObject } from '../machinery/object.ts';
import type { Column, PrintContext } from './columns.ts';
import { since } from './duration.ts';

type Cell<T extends KubeObject> = (object: T, context: PrintContext) => string | number | boolean;

/** A column of text. */
export function text<T extends KubeObject>(name: string, description: string, cell: Cell<T>): Column<T> {
  return { name, type: 'string', format: '', priority: 0, description, cell };
}

export function integer<T extends KubeObject>(name: string, description: string, cell: Cell<T>): Column<T> {
  return { ...text(name, description, cell), type: 'integer' };
}

export function truth<T extends KubeObject>(name: string, description: string, cell: Cell<T>): Column<T> {
  return { ...text(name, description, cell), type: 'boolean' };
}

/** The same column, shown with `-o wide` only. */
export function wide<T extends KubeObject>(column: Column<T>): Column<T> {
  return { ...column, priority: 1 };
}

export const nameColumn: Column = {
  name: 'Name',
  type: 'string',
  format: 'name',
  priority: 0,
  description: 'Name of the object, unique within its namespace.',
  cell: (object: KubeObject) => object.metadata.name ?? '',
};

export const ageColumn: Column = {
  name: 'Age',
  type: 'string',
  format: '',
  priority: 0,
  description: 'Time since the object was created.',
  cell: (object: KubeObject, { nowMs }) => since(object.metadata.creationTimestamp, nowMs),
};

interface Workload extends KubeObject {
  readonly spec?: { readonly template?: PodTemplateSpec };
}

/** Names and images of the containers of a workload's template. */
export function templateColumns<T extends Workload>(): readonly [Column<T>, Column<T>] {
  const containers = (object: T) => object.spec?.template?.spec?.containers ?? [];
  return [
    text('Containers', 'Names of the containers in the pod template.', (object) =>
      containers(object)
        .map((container) => container.name)
        .join(','),
    ),
    text('Images', 'Images of the containers in the pod template.', (object) =>
      containers(object)
        .map((container) => container.image ?? '')
        .join(','),
    ),
  ];
}

/** Up to `max` of `items`, and how many were left out. */
export function abbreviated(items: readonly string[], max: number, empty: string): string {
  if (items.length === 0) return empty;
  const shown = items.slice(0, max).join(',');
  return items.length > max ? `${shown} + ${items.length - max} more...` : shown;
}

/** `True`, `False`, or `<unset>`. */
export function truthText(value: boolean | undefined): string {
  return value === undefined ? '<unset>' : value ? 'True' : 'False';
}

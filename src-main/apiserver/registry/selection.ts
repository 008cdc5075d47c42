import { matchesFields, parseFieldSelector, requiredFieldValue, type FieldSelector } from '#api/machinery/fields';
import { matchesSelector, parseSelector, SelectorError } from '#api/machinery/labels';
import { messageOf } from '#base/errors';
import { badRequest } from '../storage/errors.ts';
import type { Predicate } from '../watch-cache/cache-event.ts';
import type { ServedResource } from './served-resource.ts';

/** What the selectors of a list or watch come to. */
export interface Selection {
  /** On stored objects. Undefined: everything matches. */
  readonly matches: Predicate | undefined;
  /** The one name that can match, when the field selector pins it. */
  readonly name: string | undefined;
}

/** Throws BadRequest with upstream's text for selectors that cannot be read or name a field that cannot be selected. */
export function readSelection(served: ServedResource, labelSelector: string, fieldSelector: string): Selection {
  const labels = labelSelector === '' ? undefined : readLabels(labelSelector);
  const fields = fieldSelector === '' ? [] : readFields(served, fieldSelector);
  const name = requiredFieldValue(fields, 'metadata.name');
  if (!labels && fields.length === 0) return { matches: undefined, name };
  const { selectableFields } = served.definition;
  const matches: Predicate = (stored) => {
    if (labels && !matchesSelector(labels, stored.metadata.labels)) return false;
    return fields.length === 0 || matchesFields(fields, selectableFields(served.fromStored(stored)));
  };
  return { matches, name };
}

function readLabels(text: string): ReturnType<typeof parseSelector> {
  try {
    return parseSelector(text);
  } catch (error) {
    if (error instanceof SelectorError) throw badRequest(error.message);
    throw error;
  }
}

function readFields(served: ServedResource, text: string): FieldSelector {
  let selector: FieldSelector;
  try {
    selector = parseFieldSelector(text);
  } catch (error) {
    throw badRequest(messageOf(error));
  }
  const unknown = selector.find(({ field }) => !served.definition.selectableFieldNames.includes(field));
  if (unknown) throw badRequest(`field label not supported: ${unknown.field}`);
  return selector;
}

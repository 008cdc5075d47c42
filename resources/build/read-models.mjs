// Reads the generated models of @kubernetes/client-node: field names, types, formats, which are required, and the prose.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listModel, rootModels, wireModels } from './api-facts.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const models = join(root, 'node_modules/@kubernetes/client-node/dist/gen/models');

const files = new Map();

/** One model: `{ name, description, fields: [{ name, wireName, docs, optional, type, format }] }`. */
export function readModel(name) {
  const known = files.get(name);
  if (known) return known;
  const text = readFileSync(join(models, `${name}.d.ts`), 'utf8');
  const classAt = text.indexOf('export declare class');
  const head = text.slice(0, classAt);
  const description = head.slice(Math.max(head.lastIndexOf('/**'), 0)).replace(/^\/\*\*|\*\/\s*$/g, '');
  const body = text.slice(classAt, text.indexOf('static readonly discriminator'));
  const script = readFileSync(join(models, `${name}.js`), 'utf8');
  const attributes = JSON.parse(/attributeTypeMap = (\[[^]*?\n\]);/.exec(script)?.[1] ?? '[]');
  const fields = [];
  const pattern = /(?:\/\*\*\s*\*((?:[^*]|\*(?!\/))*)\*\/\s*)?^ {4}'(\$?\w+)'(\?)?:/gm;
  for (let match = pattern.exec(body); match; match = pattern.exec(body)) {
    const attribute = attributes.find((entry) => entry.name === match[2]);
    fields.push({
      docs: cleanDocs(match[1] ?? ''),
      name: match[2],
      optional: Boolean(match[3]),
      wireName: attribute?.baseName ?? match[2],
      type: attribute?.type ?? 'any',
      format: attribute?.format ?? '',
    });
  }
  const model = { name, description: cleanDocs(description), fields };
  files.set(name, model);
  return model;
}

function cleanDocs(text) {
  return text
    .replace(/^\s*\*\s?/gm, '')
    .replace(/\\(["'`])/g, '$1')
    .trim();
}

const references = (type) => type.match(/\b(?:[A-Z]\w*?)?V\d\w*|\bIntOrString\b|\bVersionInfo\b/g) ?? [];

/** Every model that the served kinds reach, by name. */
export function loadModels() {
  const seen = new Set();
  const queue = [...rootModels, ...rootModels.map(listModel), ...wireModels];
  while (queue.length > 0) {
    const name = queue.shift();
    if (seen.has(name) || name === 'IntOrString' || name === 'V1MicroTime') continue;
    seen.add(name);
    for (const field of readModel(name).fields) queue.push(...references(field.type));
  }
  return [...seen].sort().map(readModel);
}

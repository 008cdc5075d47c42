import { createdAt } from '../printers/cluster.ts';
import { nameColumn } from '../printers/common.ts';
import { define } from './define.ts';
import type { ResourceDefinition } from './definition.ts';

/** Questions that are answered and never stored: their names are not checked, since they need none. */
const review = {
  version: 'v1',
  verbs: ['create'],
  stored: false,
  checkName: () => [],
  columns: [nameColumn, createdAt],
} as const;
const authentication = { ...review, group: 'authentication.k8s.io', namespaced: false } as const;
const authorization = { ...review, group: 'authorization.k8s.io' } as const;

export const reviewResources: readonly ResourceDefinition[] = [
  define({ ...authentication, kind: 'SelfSubjectReview', plural: 'selfsubjectreviews' }),
  define({ ...authentication, kind: 'TokenReview', plural: 'tokenreviews' }),
  define({ ...authorization, kind: 'LocalSubjectAccessReview', plural: 'localsubjectaccessreviews' }),
  define({ ...authorization, kind: 'SelfSubjectAccessReview', plural: 'selfsubjectaccessreviews', namespaced: false }),
  define({ ...authorization, kind: 'SelfSubjectRulesReview', plural: 'selfsubjectrulesreviews', namespaced: false }),
  define({ ...authorization, kind: 'SubjectAccessReview', plural: 'subjectaccessreviews', namespaced: false }),
];

import { expect, test } from 'vitest';
import type { Container, Pod } from '#api/gen/types';
import { containerSecurity, nonRootProblem } from './security-context.ts';

const image = { id: 'sha256:1', repoTags: [], repoDigests: [], sizeBytes: 1 };

function both(shared: Pod['spec']['securityContext'], own: Container['securityContext']): [Pod, Container] {
  const container: Container = { name: 'main', ...(own ? { securityContext: own } : {}) };
  const spec = { containers: [container], ...(shared ? { securityContext: shared } : {}) };
  return [
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'default', uid: 'u1' }, spec },
    container,
  ];
}

test("a container's own settings win over the pod's", () => {
  const shared = { runAsGroup: 10, fsGroup: 20, supplementalGroups: [30], seccompProfile: { type: 'RuntimeDefault' } };
  expect(containerSecurity(...both(shared, undefined))).toMatchObject({
    ...{ runAsGroup: 10, supplementalGroups: [30, 20], seccomp: { type: 'RuntimeDefault' }, noNewPrivs: false },
  });
  const own = {
    ...{ runAsGroup: 11, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
    seccompProfile: { type: 'Localhost', localhostProfile: 'audit.json' },
    capabilities: { add: ['CAP_NET_ADMIN'], drop: ['ALL'] },
  };
  expect(containerSecurity(...both(shared, own))).toMatchObject({
    ...{ runAsGroup: 11, readonlyRootfs: true, noNewPrivs: true },
    seccomp: { type: 'Localhost', path: '/var/lib/kubelet/seccomp/audit.json' },
    ...{ addCapabilities: ['NET_ADMIN'], dropCapabilities: ['ALL'] },
  });
  expect(containerSecurity(...both(shared, { privileged: true }))).not.toHaveProperty('seccomp');
});

test('runAsNonRoot refuses root, and whoever cannot be told from root', () => {
  const strict = { runAsNonRoot: true };
  expect(nonRootProblem(...both(strict, { runAsUser: 1000 }), image)).toBeUndefined();
  expect(nonRootProblem(...both(strict, { runAsNonRoot: false }), image)).toBeUndefined();
  expect(nonRootProblem(...both(strict, undefined), { ...image, uid: 33 })).toBeUndefined();
  expect(nonRootProblem(...both(strict, { runAsUser: 0 }), image)).toBe(
    `container's runAsUser breaks non-root policy (pod: "web_default(u1)", container: main)`,
  );
  expect(nonRootProblem(...both(strict, undefined), { ...image, uid: 0 })).toContain('image will run as root');
  expect(nonRootProblem(...both(strict, undefined), { ...image, username: 'www' })).toContain('non-numeric user (www)');
});

import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import type { KubeObject } from '#api/machinery/object';
import { UnionAuthenticator } from './authenticator.ts';
import { JwtKey } from './jwt.ts';
import { defaultIssuer, ServiceAccountTokens } from './service-account-tokens.ts';
import { FakeObjects } from './testing/fake-objects.ts';

const context = Context.background();
const account: KubeObject = {
  apiVersion: 'v1',
  kind: 'ServiceAccount',
  metadata: { name: 'bot', namespace: 'dev', uid: 'u1' },
};
const pod = {
  ...{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', namespace: 'dev', uid: 'p1' } },
  spec: { serviceAccountName: 'bot', nodeName: 'w1', containers: [] },
};
const ecPem = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();
const rsaPem = generateKeyPairSync('rsa', { modulusLength: 2048 })
  .privateKey.export({ type: 'pkcs8', format: 'pem' })
  .toString();

interface Issued {
  readonly spec: unknown;
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

/** `late`: what the server hears of only when it catches up. */
function tokensWith(
  clock: SteppedClock,
  objects: readonly KubeObject[],
  pem = ecPem,
  late: readonly KubeObject[] = [],
): ServiceAccountTokens {
  const known = [...objects];
  return new ServiceAccountTokens({
    key: new JwtKey(pem),
    issuer: defaultIssuer,
    objects: new FakeObjects(known),
    catchUp: async () => void known.push(...late.filter((one) => !known.includes(one))),
    clock,
  });
}

async function issue(tokens: ServiceAccountTokens, spec: unknown): Promise<Issued> {
  const request = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', metadata: {}, spec };
  return (await tokens.issue(context, account, request as KubeObject)) as unknown as Issued;
}

test.each([
  ['ES256', ecPem],
  ['RS256', rsaPem],
])('%s: an issued token names its service account until it expires', async (algorithm, pem) => {
  const clock = new SteppedClock();
  const tokens = tokensWith(clock, [account, pod], pem);
  expect(new JwtKey(pem).algorithm).toBe(algorithm);
  const { status } = await issue(tokens, { expirationSeconds: 600 });
  expect(status.expirationTimestamp).toBe('2026-01-01T00:10:00Z');
  const authenticator = new UnionAuthenticator([tokens], tokens.audiences);
  expect(await authenticator.authenticate(context, { certificate: undefined, token: status.token })).toMatchObject({
    name: 'system:serviceaccount:dev:bot',
    uid: 'u1',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:dev', 'system:authenticated'],
  });
  await clock.step(601_000);
  await expect(
    authenticator.authenticate(context, { certificate: undefined, token: status.token }),
  ).rejects.toMatchObject({ code: 401 });
});

test('a token bound to a pod dies with it, and carries its name', async () => {
  const clock = new SteppedClock();
  const spec = { boundObjectRef: { kind: 'Pod', name: 'web', uid: 'p1' } };
  const { status } = await issue(tokensWith(clock, [account, pod]), spec);
  const identity = await tokensWith(clock, [account, pod]).authenticateToken(context, status.token);
  expect(identity?.user.extra).toMatchObject({
    'authentication.kubernetes.io/pod-name': ['web'],
    'authentication.kubernetes.io/node-name': ['w1'],
  });
  await expect(tokensWith(clock, [account]).authenticateToken(context, status.token)).rejects.toMatchObject({
    code: 401,
  });
  const reborn = { ...pod, metadata: { ...pod.metadata, uid: 'p2' } };
  await expect(tokensWith(clock, [account, reborn]).authenticateToken(context, status.token)).rejects.toMatchObject({
    code: 401,
  });
});

test('a token for another audience, a forged one and a foreign one are refused', async () => {
  const clock = new SteppedClock();
  const tokens = tokensWith(clock, [account]);
  const authenticator = new UnionAuthenticator([tokens], tokens.audiences);
  const { status } = await issue(tokens, { audiences: ['vault'] });
  const forged = `${status.token.slice(0, -4)}AAAA`;
  for (const token of [status.token, forged, 'a.b.c', 'x']) {
    await expect(authenticator.authenticate(context, { certificate: undefined, token })).rejects.toMatchObject({
      message: 'Unauthorized',
    });
  }
});

test('requests that cannot be met say why', async () => {
  const tokens = tokensWith(new SteppedClock(), [account, pod]);
  await expect(issue(tokens, { expirationSeconds: 60 })).rejects.toThrow(
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
  );
  await expect(issue(tokens, { boundObjectRef: { kind: 'Pod', name: 'nope' } })).rejects.toThrow(
    'pods "nope" not found',
  );
  await expect(issue(tokens, { boundObjectRef: { kind: 'Pod', name: 'web', uid: 'other' } })).rejects.toMatchObject({
    reason: 'Conflict',
  });
});

test('a token that another server issued a moment ago is good, for what this one has not heard of yet', async () => {
  const clock = new SteppedClock();
  const { status } = await issue(tokensWith(clock, [account, pod]), { boundObjectRef: { kind: 'Pod', name: 'web' } });
  const behind = tokensWith(clock, [], ecPem, [account, pod]);
  expect(await behind.authenticateToken(context, status.token)).toMatchObject({ user: { uid: 'u1' } });
  const bound = await issue(tokensWith(clock, [account], ecPem, [pod]), {
    boundObjectRef: { kind: 'Pod', name: 'web' },
  });
  expect(bound.status.token).not.toBe('');
  await expect(tokensWith(clock, [account]).authenticateToken(context, status.token)).rejects.toMatchObject({
    reason: 'Unauthorized',
  });
});

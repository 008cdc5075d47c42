import { expect, test } from 'vitest';
import type { Secret } from '#api/gen/types';
import { credentialsFor } from './registry-credentials.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

function secret(auths: Readonly<Record<string, string>>): Secret {
  const entries = Object.entries(auths).map(([server, user]) => [server, { auth: base64(`${user}:pass:word`) }]);
  const text = JSON.stringify({ auths: Object.fromEntries(entries) });
  return {
    ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'pull' }, type: 'kubernetes.io/dockerconfigjson' },
    data: { '.dockerconfigjson': base64(text) },
  };
}
const users = (image: string, auths: Readonly<Record<string, string>>) =>
  credentialsFor(image, [secret(auths)]).map(({ username }) => username);

test('an entry is for a registry, and for what lies under its path', () => {
  const auths = { 'https://registry.example.com': 'all', 'registry.example.com/team': 'team', 'other.io': 'other' };
  expect(users('registry.example.com/team/app:1', auths)).toEqual(['team', 'all']);
  expect(users('registry.example.com/app', auths)).toEqual(['all']);
  expect(users('registry.example.com:5000/app', auths)).toEqual([]);
});

test('a name without a registry is on Docker Hub, which has an old spelling', () => {
  expect(users('nginx:1', { 'https://index.docker.io/v1/': 'hub' })).toEqual(['hub']);
  expect(users('library/nginx', { 'docker.io': 'hub' })).toEqual(['hub']);
  expect(users('localhost/nginx', { 'docker.io': 'hub' })).toEqual([]);
});

test('a star stands for one part of a host name', () => {
  expect(users('a.example.com/app', { '*.example.com': 'star' })).toEqual(['star']);
  expect(users('a.b.example.com/app', { '*.example.com': 'star' })).toEqual([]);
});

test('the password is all behind the first colon; nonsense in a secret is nobody', () => {
  expect(credentialsFor('x.io/a', [secret({ 'x.io': 'me' })])[0]).toMatchObject({
    username: 'me',
    password: 'pass:word',
  });
  expect(credentialsFor('x.io/a', [{ ...secret({}), data: { '.dockerconfigjson': base64('[') } }])).toEqual([]);
});

import { expect, test } from 'vitest';
import { CancelledError } from '#base/errors';
import { MachineError } from '../errors.ts';
import { compareVersions } from './engine.ts';
import { machineErrorOf, type EngineFacts } from './errors.ts';

const facts: EngineFacts = { endpoint: '/var/run/docker.sock', installed: true, group: 'docker-users' };

function system(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

/** As docker-modem throws an answer of the engine. */
function answer(statusCode: number, message: string): Error {
  return Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${message} `), {
    statusCode,
    json: { message },
  });
}

test.each([
  [system('ENOENT'), { ...facts, installed: false }, 'MISSING', 'install Docker Engine'],
  [system('ENOENT'), facts, 'UNREACHABLE', 'systemctl start docker'],
  [system('ECONNREFUSED'), facts, 'UNREACHABLE', 'systemctl start docker'],
  [system('EACCES'), facts, 'FORBIDDEN', 'usermod -aG docker-users'],
  [system('ECONNRESET'), facts, 'UNREACHABLE', 'connection to Docker broke'],
  [answer(500, 'write /var/lib/docker/x: no space left on device'), facts, 'NO_SPACE', 'free some space'],
  [answer(403, 'Pool overlaps with other one on this address space'), facts, 'ADDRESS_CLASH', 'another subnet'],
  [
    answer(500, 'could not find an available, non-overlapping IPv4 address pool among the defaults'),
    facts,
    'ADDRESS_CLASH',
    'docker network ls',
  ],
  [answer(500, 'Address already in use'), facts, 'ADDRESS_CLASH', 'in use'],
  [answer(500, 'something else'), facts, 'FAILED', 'cannot create the network: something else'],
])('%s says what to do (%#)', (error, about, code, advice) => {
  const told = machineErrorOf(error, 'create the network', about);
  expect(told).toMatchObject({ code, cause: error });
  expect(told.message).toContain(advice);
  expect(told.message).not.toContain('\n');
});

test('what has its words already keeps them', () => {
  const own = new MachineError('INVALID', 'mine');
  const cancelled = new CancelledError('cancelled');
  expect(machineErrorOf(own, 'x', facts)).toBe(own);
  expect(machineErrorOf(cancelled, 'x', facts)).toBe(cancelled);
});

test('versions are compared by number', () => {
  expect(compareVersions('1.9', '1.41')).toBeLessThan(0);
  expect(compareVersions('1.41', '1.41')).toBe(0);
  expect(compareVersions('1.50', '1.41')).toBeGreaterThan(0);
  expect(compareVersions('2.0', '1.41')).toBeGreaterThan(0);
});

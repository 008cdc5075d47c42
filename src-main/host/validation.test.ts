import { describe, expect, it } from 'vitest';
import { decodeCall, decodeWatch } from './validation.ts';

const target = { host: '10.0.0.7', port: 22, user: 'jane', auth: { kind: 'agent' } };

describe('the checks of requests', () => {
  it.each([
    { kind: 'cut', from: 'worker-1', to: 'api', oneWay: true },
    { kind: 'shape', from: 'worker-1', latencyMs: 200, lossPercent: 2.5 },
    { kind: 'process', node: 'worker-1', process: 'kube-proxy' },
    { kind: 'disk', node: 'worker-1', freePercent: 5 },
  ])('takes the fault $kind as it is', (spec) => {
    expect(decodeCall('fault.add', { lab: 'lab', spec, forSeconds: 60 }).spec).toEqual(spec);
  });

  it.each([
    [{ kind: 'meteor', node: 'worker-1' }, /kind/],
    [{ kind: 'cut', from: 'worker-1' }, /spec\.to/],
    [{ kind: 'cut', from: 'worker-1', to: 'api', node: 'x' }, /not a known field/],
    [{ kind: 'node', node: 'worker-1', action: 'melt' }, /must be one of stop/],
    [{ kind: 'shape', from: 'worker-1', lossPercent: 101 }, /from 0 to 100/],
    ['cut', /must be an object/],
  ])('refuses the fault %j', (spec, message) => {
    expect(() => decodeCall('fault.add', { lab: 'lab', spec, forSeconds: 60 })).toThrow(message);
  });

  it('takes a target with a jump host, and refuses what no ssh would take', () => {
    const jump = { ...target, auth: { kind: 'password', password: 'secret' } };
    expect(decodeCall('ssh.probe', { target: { ...target, jump } }).target.jump).toEqual(jump);
    for (const bad of [{ host: '-oProxyCommand=x' }, { user: 'a b' }, { port: 0 }, { auth: { kind: 'key' } }])
      expect(() => decodeCall('ssh.probe', { target: { ...target, ...bad } })).toThrow(/target/);
  });

  it('wants an image by name or by file, not by both', () => {
    expect(decodeCall('image.load', { lab: 'lab', source: { file: '/tmp/a.tar' } }).source).toEqual({
      file: '/tmp/a.tar',
    });
    for (const source of [{}, { name: 'a', file: 'b' }])
      expect(() => decodeCall('image.load', { lab: 'lab', source })).toThrow(/exactly one of name, file/);
  });

  it('takes a command of a container word by word', () => {
    const where = { lab: 'lab', namespace: 'default', pod: 'web-0', container: 'main' };
    const request = { ...where, command: ['sh', '-c', 'ls'], tty: true, columns: 80, rows: 24 };
    expect(decodeWatch('pod.exec', request)).toEqual(request);
    expect(() => decodeWatch('pod.exec', { ...request, command: 'ls' })).toThrow(/command: must be a list/);
    expect(() => decodeWatch('pod.exec', { ...request, rows: 0 })).toThrow(/rows/);
  });
});

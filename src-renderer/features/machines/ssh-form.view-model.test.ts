import { describe, expect, it } from 'vitest';
import { emptyHop, hopProblem, nextStep, targetOf } from './ssh-form.view-model.ts';

const form = { ...emptyHop, host: ' 10.0.0.7 ', user: 'jane' };
const key = (trusted: boolean) => ({ algorithm: 'ssh-ed25519', fingerprint: 'SHA256:x', trusted });
const facts = {
  ...{ os: 'Debian 12', arch: 'x86_64', kernel: '6.1', cpus: 4, memoryBytes: 1, freeDiskBytes: 1 },
  supervisor: 'systemd',
} as const;

describe('the form of a machine', () => {
  it('says what is missing before anything is tried', () => {
    expect(hopProblem(emptyHop)).toBe('say which host');
    expect(hopProblem(form)).toBeUndefined();
    expect(hopProblem({ ...form, host: '-oProxyCommand=x' })).toContain('no host name');
    expect(hopProblem({ ...form, kind: 'password' })).toBe('say the password');
    expect(hopProblem({ ...form, port: '70000' })).toContain('ports');
  });

  it('sends only the secret that is used', () => {
    const target = targetOf({ ...form, kind: 'agent', password: 'old' }, undefined, { target: 'SHA256:x' });
    expect(target).toEqual({ host: '10.0.0.7', port: 22, user: 'jane', auth: { kind: 'agent' }, hostKey: 'SHA256:x' });
    expect(targetOf(form, form, { jump: 'SHA256:y' }).jump).toMatchObject({ hostKey: 'SHA256:y' });
  });

  it('names an archive only when one is typed', () => {
    expect(targetOf(form, undefined, {}, '  ')).not.toHaveProperty('archive');
    expect(targetOf(form, undefined, {}, ' /tmp/packages.tar ')).toHaveProperty('archive', '/tmp/packages.tar');
  });

  it('asks for trust in the jump host first, then in the machine, then lets add', () => {
    expect(nextStep({ jumpHostKey: key(false), missing: [] })).toMatchObject({ step: 'trust', which: 'jump' });
    expect(nextStep({ jumpHostKey: key(true), hostKey: key(false), missing: [] })).toMatchObject({ which: 'target' });
    const missing = [{ name: 'containerd', text: '', installable: true }];
    expect(nextStep({ hostKey: key(true), facts, missing })).toEqual({ step: 'add', blocked: false });
    const blocked = [{ name: 'root', text: '', installable: false }];
    expect(nextStep({ hostKey: key(true), facts, missing: blocked })).toEqual({ step: 'add', blocked: true });
  });
});

import { describe, expect, it } from 'vitest';
import { parseFacts } from '#machines/ssh/facts';
import { missingOf } from './machine-calls.ts';

const facts = (more: string) => parseFacts(`address=10.0.0.7/24\nos=Debian 12\nrunc=runc version 1.1.5\n${more}`);

describe('what a machine lacks', () => {
  it('is installed by the package manager, by an archive, or by the person', () => {
    const installable = (more: string, hasArchive: boolean) => [
      ...new Set(missingOf(facts(more), hasArchive).map((one) => one.installable)),
    ];
    expect(installable('packageManager=apt', false)).toEqual([true]);
    expect(installable('', false)).toEqual([false]);
    expect(installable('', true)).toEqual([true]);
    expect(missingOf(facts(''), false).map((one) => one.name)).not.toContain('runc');
  });

  it('names what no installation mends', () => {
    const found = missingOf(facts('packageManager=apt\nforeignKubelet=k3s\nkernel.vxlan=no'), false);
    expect(found[0]).toMatchObject({ installable: false, text: expect.stringContaining('k3s runs here') });
    expect(found.find((one) => one.name === 'vxlan')).toMatchObject({ installable: false });
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { cniConfig, writeWhole } from './cni-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'drydock-cni-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('cniConfig', () => {
  it('leaves room for a tunnel in the MTU', () => {
    expect(JSON.parse(cniConfig('10.244.1.0/24', 1500))).toMatchObject({
      plugins: [
        {
          type: 'bridge',
          bridge: 'cni0',
          hairpinMode: true,
          mtu: 1450,
          ipam: { ranges: [[{ subnet: '10.244.1.0/24' }]] },
        },
      ],
    });
  });
});

describe('writeWhole', () => {
  it('writes once, again when the text is another, and leaves no partial file', async () => {
    const path = join(folder, 'net.d', 'a.conflist');
    expect(await writeWhole(path, 'one')).toBe(true);
    expect(await writeWhole(path, 'one')).toBe(false);
    expect(await writeWhole(path, 'two')).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('two');
    expect(readdirSync(join(folder, 'net.d'))).toEqual(['a.conflist']);
  });
});

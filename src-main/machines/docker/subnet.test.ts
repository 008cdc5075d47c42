import { expect, test } from 'vitest';
import { parseCidr, type Ipv4Block } from '#base/ip';
import { chooseSubnet, overlaps, parseRoutes } from './subnet.ts';

function block(text: string): Ipv4Block {
  const parsed = parseCidr(text);
  if (!parsed) throw new Error(`${text} is no CIDR`);
  return parsed;
}

test('a lab gets the first block that nothing touches', () => {
  expect(chooseSubnet([])).toBe('10.215.0.0/24');
  expect(chooseSubnet([block('10.215.0.128/25'), block('172.17.0.0/16')])).toBe('10.215.1.0/24');
  expect(chooseSubnet([block('10.215.0.0/20')])).toBe('10.215.16.0/24');
});

test('a host whose routes cover all is told to name a subnet', () => {
  expect(() => chooseSubnet([block('10.0.0.0/8')])).toThrow(expect.objectContaining({ code: 'ADDRESS_CLASH' }));
});

test('blocks overlap whichever holds the other', () => {
  expect(overlaps(block('10.0.0.0/8'), block('10.215.3.0/24'))).toBe(true);
  expect(overlaps(block('10.215.3.0/24'), block('10.0.0.0/8'))).toBe(true);
  expect(overlaps(block('10.215.3.0/24'), block('10.215.4.0/24'))).toBe(false);
});

test("the kernel's routes are read without the default one", () => {
  const routes = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0',
    'eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
  ].join('\n');
  expect(parseRoutes(routes)).toEqual([block('172.17.0.0/16'), block('192.0.2.0/24')]);
});

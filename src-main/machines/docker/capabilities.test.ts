import { expect, test } from 'vitest';
import { availableCapabilities, optionalCapabilities, requiredCapabilities } from './capabilities.ts';

/** A host that refuses a container with any of `withheld`, and counts what it is asked. */
function host(...withheld: readonly string[]): { probe(set: readonly string[]): Promise<boolean>; asked: number } {
  const counter = {
    asked: 0,
    probe: async (set: readonly string[]) => {
      counter.asked++;
      return !set.some((capability) => withheld.includes(capability));
    },
  };
  return counter;
}

const all: readonly string[] = [...requiredCapabilities, ...optionalCapabilities];

test('a host that withholds nothing is asked once', async () => {
  const free = host();
  expect(await availableCapabilities(free.probe)).toEqual(all);
  expect(free.asked).toBe(1);
});

test.each(optionalCapabilities)('a node does without %s alone', async (withheld) => {
  expect(await availableCapabilities(host(withheld).probe)).toEqual(all.filter((one) => one !== withheld));
});

test('a node does without several', async () => {
  const without = ['SYS_RESOURCE', 'IPC_LOCK', 'SYS_NICE'];
  expect(await availableCapabilities(host(...without).probe)).toEqual(all.filter((one) => !without.includes(one)));
});

test('no node without what containers need', async () => {
  expect(await availableCapabilities(host('SYS_ADMIN').probe)).toBeUndefined();
});

import { expect, test } from 'vitest';
import { StatusError } from '#api/machinery/status';
import { SteppedClock } from '#base/clock';
import { Context } from '#base/context';
import { SinkLogger } from '#base/logger';
import { SeededRandom } from '#base/random';
import { SharedInformerFactory } from './informer.ts';
import { configMaps } from './resources.ts';
import { RestClient } from './rest-client.ts';

test('a refused list is said once, at warn; a server that is away is not', async () => {
  const clock = new SteppedClock();
  const warnings: unknown[] = [];
  let failure = new StatusError('ServiceUnavailable', 'away');
  const fail = (): Promise<never> => Promise.reject(failure);
  const factory = new SharedInformerFactory({
    client: new RestClient({ request: fail, watch: fail }),
    clock,
    random: new SeededRandom(1),
    logger: new SinkLogger(clock, ({ fields }) => warnings.push([fields['resource'], fields['error']]), 'warn'),
  });
  factory.informer(configMaps);
  factory.start(Context.background());
  await clock.step(10_000);
  expect(warnings).toEqual([]);
  failure = new StatusError('Forbidden', 'configmaps is forbidden');
  await clock.step(60_000);
  expect(warnings).toEqual([['configmaps', 'configmaps is forbidden']]);
  factory.stop();
  expect(clock.pendingTimers).toBe(0);
});
